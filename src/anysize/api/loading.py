"""Opening a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anysize.api.model import Model
from anysize.core.memory import parse_size


def load(
    spec: str | Path,
    task: str | None = None,
    *,
    memory: int | str | None = None,
    labels: Sequence[str] | None = None,
    pixels: str | None = None,
) -> Model:
    """Opens a bundle, a Hugging Face folder, a GGUF file or a hub id.

    Args:
        spec: where the model is.
        task: needed only where the model's configuration does not name it.
        memory: budget in bytes, or as ``2GiB``, that the weights are held against before they are
            read; None reads them whatever their size.
        labels: names of the classes in the order of the outputs, for a file that has none.
        pixels: values that a picture model was trained on (``0-255``, ``-1-1``, ``caffe``, …), for
            a file that does not say it.

    Raises:
        BundleError: nothing usable there.
        ConfigurationError: labels or pixels that do not fit.
        BudgetError: the weights alone are over the budget.
    """
    from anysize.models.spec import in_one_file, open_network
    from anysize.planning.budget import refuse_early, weights_size

    if memory is not None:
        refuse_early(f"loading {spec}", parse_size(memory), weights_size(spec), training=False)
    network, card = open_network(str(spec), task, labels=labels, pixels=pixels)
    # The folder of a graph or GGUF file is no bundle: nothing is kept in it, and no gallery is
    # tied to it.
    folder = Path(spec) if Path(spec).is_dir() and not in_one_file(spec) else None
    return Model(network, card, folder)
