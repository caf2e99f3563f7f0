"""Recordings without an end: what is settled of them, as it comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.core.errors import ConfigurationError
from anysize.core.options import declared
from anysize.core.results import ErrorResult, Result, SettledResult
from anysize.modalities import modality_of
from anysize.planning.options import PredictOptions, task_asked
from anysize.sources.stream import StreamSource, single

if TYPE_CHECKING:
    from anysize.planning.prediction import PredictionPlan
    from anysize.planning.session import Session


def live_results(
    session: Session,
    stream: Any,
    options: PredictOptions,
    *,
    name: str = "live",
    plan: PredictionPlan | None = None,
    on_windows: Callable[[int], None] | None = None,
) -> Iterator[SettledResult | Result | ErrorResult]:
    """Predicts on one; see ``api.Model.live``.

    Args:
        session: of the model.
        stream: a binary file that is read to its end, or an iterable of bytes, or of arrays
            ``[n]`` or ``[n, channels]``.
        options: those of live input among them.
        name: of the recording, its id in the results.
        plan: made for the same options; None makes it now.
        on_windows: called with how many windows went through the model.

    Raises:
        ConfigurationError: the task knows its result only when all has been read, or the stream
            gives something else.
    """
    task = task_asked(tasks.of(session.card), session.card, options)
    modality = modality_of(session.network.settings)
    kind = modality.live_options
    if kind is None:
        raise ConfigurationError(
            f"{task.name} reads no live input: give a {modality.noun} to predict"
        )
    names = {one.name for one in declared(kind)}
    own = {key: value for key, value in options.of_task.items() if key in names}
    field = modality.live(stream, name, kind(**own))
    source = StreamSource([single(task.role, name, field)])
    return session.live(source, options, plan=plan, on_windows=on_windows)
