"""Options that do nothing in the verb that they were given to."""

from __future__ import annotations

from anysize.api.loaded import Loaded
from anysize.core.errors import ConfigurationError
from anysize.core.options import declared
from anysize.modalities import modality_of
from anysize.planning.options import PredictOptions
from anysize.tasks.abilities import RECOGNISER, Attributed


def refuse_attribution(task: object, what: str) -> None:
    """Refuses speakers where they would do nothing.

    Raises:
        ConfigurationError: they were asked for.
    """
    if isinstance(task, Attributed) and task.voices is not None:
        raise ConfigurationError(
            f"--speakers is for whole transcripts, which {what} does not give: leave it out"
        )


def refuse_recogniser(options: PredictOptions) -> None:
    """Raises ConfigurationError for a recogniser where nothing is measured."""
    if options.of_task.get(RECOGNISER) is not None:
        raise ConfigurationError(
            f"{RECOGNISER} hears what is spoken in evaluate, and does nothing in predict: leave it "
            "out"
        )


def refuse_live(model: Loaded, options: PredictOptions) -> None:
    """Raises ConfigurationError for options of live input where the input is none."""
    kind = modality_of(model.network.settings).live_options
    names = {one.name for one in declared(kind)} if kind else set()
    found = [key for key, value in options.of_task.items() if key in names and value is not None]
    if found:
        raise ConfigurationError(
            [
                f"{key} says how samples of live input are written ('-', or Model.live); files say "
                "it themselves: leave it out"
                for key in found
            ]
        )
