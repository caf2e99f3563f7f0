"""A projection under which pictures of one person lie close together, in closed form.

Within-class covariance normalisation (Hatch, Kajarekar and Stolcke 2006, "Within-class covariance
normalization for SVM-based speaker recognition"): the directions in which samples of one identity
differ are shrunk by how much they differ in them; all others keep their say, those too that no
training identity needs, which is what distinguishes strangers. A few hundred samples suffice,
where gradient descent would learn the training identities by heart. The covariance is shrunk
towards a multiple of the identity, since samples are fewer than its entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import ConfigurationError, DataError

SHRINKAGE = 0.1


class WithinClassStatistics:
    """What the projection needs to know of the samples, added up; no sample is kept.

    Args:
        width: of the features.
        identities: how many there are.
    """

    def __init__(self, width: int, identities: int) -> None:
        self._counts = np.zeros(identities)
        self._sums = np.zeros((identities, width))
        self._products = np.zeros((width, width))

    def add(self, features: NDArray[np.float64], identities: NDArray[np.int64]) -> None:
        """Takes features ``[n, width]`` and whose they are, ``[n]``."""
        wide = np.asarray(features, np.float64)
        self._products += wide.T @ wide
        np.add.at(self._sums, identities, wide)
        self._counts += np.bincount(identities, minlength=len(self._counts))

    def projection(
        self, width: int, shrinkage: float = SHRINKAGE
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The projection onto ``width`` values, and the identities' means under it.

        Principal components first, then the whitening inside them. Where the samples span fewer
        directions than ``width``, the rest of the values are zero.

        Args:
            width: of the result.
            shrinkage: how much of the covariance is replaced by its mean variance, 0 to 1.

        Returns:
            ``[width, features + 1]``, the last column a constant that is added; and
            ``[identities, width]``.

        Raises:
            ConfigurationError: shrinkage outside its range.
            DataError: no identity has two samples, or there is only one identity.
        """
        if not 0 < shrinkage <= 1:
            raise ConfigurationError(f"shrinkage must be above 0 and at most 1, not {shrinkage}")
        total, used = self._counts.sum(), self._counts > 0
        if used.sum() < 2 or self._counts.max() < 2:
            raise DataError(
                "training data",
                f"{int(used.sum())} identities with at most {int(self._counts.max())} samples; "
                "at least two are needed, one of them with two samples",
            )
        mean = self._sums.sum(axis=0) / total
        spread = self._products / total - np.outer(mean, mean)
        means = self._sums[used] / self._counts[used, None]
        between = (means * (self._counts[used, None] / total)).T @ means - np.outer(mean, mean)
        variances, directions = np.linalg.eigh(spread)
        # Beyond the samples' rank there is rounding alone.
        rank = int((variances > variances[-1] * 1e-9).sum())
        kept = directions[:, ::-1][:, : min(width, rank)]
        within = kept.T @ (spread - between) @ kept
        average = np.trace(within) / len(within)
        within = (1 - shrinkage) * within + shrinkage * average * np.eye(len(within))
        strengths, turn = np.linalg.eigh(within)
        white = (turn / np.sqrt(strengths)).T @ kept.T
        # A mean length of one keeps the values in the range that optimizers are tuned for.
        white /= np.sqrt(np.einsum("ij,jk,ik->", white, spread, white))
        matrix = np.zeros((width, len(mean) + 1))
        matrix[: len(white), :-1] = white
        matrix[:, -1] = -matrix[:, :-1] @ mean
        centres = np.zeros((len(used), width))
        centres[used] = means @ matrix[:, :-1].T + matrix[:, -1]
        return matrix, centres
