"""What a loaded model says of a record before it is finished, or that has no end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.api.loaded import Loaded
from anysize.api.misplaced import refuse_attribution
from anysize.core.records import Source
from anysize.core.results import ErrorResult, PartialResult, Result, SettledResult
from anysize.planning.options import PredictOptions, task_asked, with_settings
from anysize.tasks.inputs import Input

if TYPE_CHECKING:
    from anysize.planning.prediction import PredictionPlan


class Streaming(Loaded):
    """Methods of ``Model`` for tasks that generate, or carry a result from window to window."""

    def stream(
        self,
        inputs: Input | Source | Iterable[Any],
        options: PredictOptions | None = None,
        *,
        plan: PredictionPlan | None = None,
        on_windows: Callable[[int], None] | None = None,
        **settings: Any,
    ) -> Iterator[Result | ErrorResult | PartialResult]:
        """Predicts as ``predict`` does, and gives partial results between, as they come.

        Args:
            inputs: see ``predict``.
            options: see ``PredictOptions``.
            plan: see ``predict``.
            on_windows: see ``predict``.
            settings: fields of ``PredictOptions``, as in ``predict``.

        Yields:
            A ``PartialResult`` whenever more is known of a record (several records may be under
            way); a ``Result`` or an ``ErrorResult`` for each record, in input order.

        Raises:
            ConfigurationError: the task has no partial results; and as ``predict``.
        """
        options = with_settings(options, settings, tasks.of(self.card))
        refuse_attribution(task_asked(tasks.of(self.card), self.card, options), "--stream")
        source = self.open(inputs, options)
        return self.session().stream(source, options, plan=plan, on_windows=on_windows)

    def live(
        self,
        stream: Any,
        options: PredictOptions | None = None,
        *,
        name: str = "live",
        plan: PredictionPlan | None = None,
        on_windows: Callable[[int], None] | None = None,
        **settings: Any,
    ) -> Iterator[SettledResult | Result | ErrorResult]:
        """Predicts on a recording without an end: a microphone, a pipe.

        Memory stays the same however long it is. The segments (events) of all that is given, one
        after the other, are those of a file with the same samples.

        Args:
            stream: a binary file that is read to its end, or an iterable of bytes, or of arrays
                ``[n]`` or ``[n, channels]``.
            options: see ``PredictOptions``.
            name: of the recording, its id in the results.
            plan: see ``predict``.
            on_windows: see ``predict``.
            settings: fields of ``PredictOptions``, as in ``predict``; how samples are written is
                said by ``pcm_rate``, ``pcm_format`` and ``pcm_channels``.

        Yields:
            A ``SettledResult`` for what nothing further changes, as it comes; at the end a
            ``Result`` with the rest and the receipt, or an ``ErrorResult``.

        Raises:
            ConfigurationError: the task knows its result only when all has been read, or the stream
                gives something else.
        """
        from anysize.planning.live import live_results

        options = with_settings(options, settings, tasks.of(self.card))
        task = task_asked(tasks.of(self.card), self.card, options)
        refuse_attribution(task, "live input")
        return live_results(
            self.session(), stream, options, name=name, plan=plan, on_windows=on_windows
        )
