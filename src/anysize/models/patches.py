"""First filters from the data: patches of training pictures, whitened.

Neighbouring pixels are nearly equal. Filters drawn at random therefore all see mostly the same,
the mean of a patch, and a net spends its first epochs on undoing that. The principal components of
the patches, each scaled to one variance, see all differences alike (Coates, Ng and Lee 2011, "An
analysis of single-layer networks in unsupervised feature learning"; as the first layer of residual
nets Jordan 2024, arXiv:2404.00498, section 3.2). They are where training starts, and are trained
like all others.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

# Added to the variances, as a part of the largest: noise is not blown up without limit.
_FLOOR = 5e-4
# Components with less of the largest variance than this carry nothing (grey pictures have none
# between their channels).
_NOTHING = 1e-7


@torch.no_grad()
def whiten(convolution: nn.Conv2d, batches: Iterable[Tensor]) -> None:
    """Gives a first convolution the whitened components of its patches, and their negatives.

    The components with the largest variance come first; where there are fewer of them than half
    of the filters, the rest of the filters stay as they were drawn. A normalisation must follow,
    since the filters are long.

    Args:
        convolution: without dilation or groups, its weight ``[filters, channels, h, w]``.
        batches: normalised pictures ``[n, channels, height, width]``; those smaller than the
            kernel say nothing.
    """
    filters, *shape = convolution.weight.shape
    products = torch.zeros(torch.Size(shape).numel(), torch.Size(shape).numel(), dtype=torch.double)
    count = 0
    for pictures in batches:
        if pictures.shape[2] < shape[1] or pictures.shape[3] < shape[2]:
            continue
        patches = functional.unfold(
            pictures.float(), convolution.kernel_size, stride=convolution.stride
        )
        rows = patches.transpose(1, 2).flatten(0, 1).double()
        products += rows.T @ rows
        count += len(rows)
    variances, components = torch.linalg.eigh(products / max(count, 1))
    variances, components = variances.flip(0), components.T.flip(0)
    known = int((variances > _NOTHING * variances[0]).sum()) if variances[0] > 0 else 0
    known = min(known, filters // 2)
    # An eigenvector has no sign of its own; its largest entry is made positive.
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    scales = (variances + _FLOOR * variances[0]).rsqrt().unsqueeze(1) * largest.sign()
    whitened = (components * scales)[:known].view(known, *shape).to(convolution.weight)
    convolution.weight[:known] = whitened
    convolution.weight[filters // 2 : filters // 2 + known] = -whitened
