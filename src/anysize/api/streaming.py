"""What a loaded model says of a record before it is finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.api.loaded import Loaded
from anysize.core.records import Source
from anysize.core.results import ErrorResult, PartialResult, Result
from anysize.planning.options import PredictOptions, with_settings
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
        source = self.open(inputs, options)
        return self._session().stream(source, options, plan=plan, on_windows=on_windows)
