"""What a loaded model does with people: galleries, and pairs of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anysize import tasks
from anysize.api.loaded import Loaded
from anysize.api.misplaced import refuse_attribution
from anysize.core import plugins
from anysize.core.errors import ConfigurationError, DataError
from anysize.core.plurals import number_of
from anysize.core.records import Source
from anysize.core.results import ErrorResult, Result
from anysize.planning.options import PredictOptions, task_asked, with_settings
from anysize.tasks.inputs import Input, is_source

if TYPE_CHECKING:
    from anysize.recognition.enrolment import Collected, Comparison, Enrolment
    from anysize.recognition.gallery import Gallery
    from anysize.tasks.match_options import MatchOptions


class People(Loaded):
    """Methods of ``Model`` for face-recognition and speaker-recognition."""

    def enroll(
        self,
        out: str | Path,
        data: Input | Source | None = None,
        options: PredictOptions | None = None,
        *,
        remove: Sequence[str] = (),
        calibrate: Input | Source | None = None,
        false_accept_rate: float = 0.01,
    ) -> Enrolment:
        """Adds people to a gallery, or deletes some, and calibrates its thresholds anew.

        Args:
            out: folder of the gallery; made where there is none.
            data: the people to add: a folder for each, or a table with an ``identity`` column.
            options: see ``PredictOptions``.
            remove: names of people to delete.
            calibrate: other people, to calibrate the thresholds on; None takes everybody in the
                gallery as a stranger to the others.
            false_accept_rate: the share of strangers that may get a name.

        Raises:
            ConfigurationError, DataError: before the gallery is changed.
        """
        from anysize.recognition.enrolment import enroll
        from anysize.recognition.gallery import check_place
        from anysize.sources.identities import empty_folders

        options = options or PredictOptions()
        check_place(out, remove=bool(remove))
        embedder = self._fingerprint()
        return enroll(
            out,
            embedder,
            people=None if data is None else self._collected(data, options),
            remove=remove,
            strangers=None if calibrate is None else self._collected(calibrate, options),
            false_accept_rate=false_accept_rate,
            empty=() if data is None or is_source(data) else empty_folders(cast(Input, data)),
        )

    def verify(
        self,
        first: Any,
        second: Any,
        options: PredictOptions | None = None,
        **settings: Any,
    ) -> Comparison:
        """Whether two records show one identity.

        Args:
            first: a file, or a record's content.
            second: the same.
            options: see ``PredictOptions``.
            settings: fields of ``PredictOptions`` and of ``MatchOptions``: ``threshold`` decides,
                else the threshold for pairs of ``gallery``; without either there is a similarity
                and no decision.

        Raises:
            DataError: one cannot be read, or nothing is found in it.
            ConfigurationError: they hold more than two records, or the model does not embed.
        """
        from anysize.recognition.enrolment import compare

        self._check_embeds("verify compares embeddings")
        options = with_settings(options, settings, tasks.of(self.card))
        matching = self._matching(options)
        gallery = None if matching.gallery is None else self._gallery(matching.gallery)
        source = self.open([first, second], options)
        if len(source) != 2:
            raise ConfigurationError(
                f"verify compares two records, and what was given holds {len(source)}: name two "
                "files"
            )
        found = list(self.session().results(source, options))
        return compare(*found, gallery=gallery, threshold=matching.threshold)

    def _collected(self, data: Input | Source, options: PredictOptions) -> Collected:
        from anysize.recognition.enrolment import collect
        from anysize.sources.labels.targets import targets

        # A path on its own would be read as a text by a text model.
        source = self.open(data if is_source(data) else [Path(cast(Input, data))], options)
        if not any(target is not None for target in targets(source)):
            raise DataError(
                source.name,
                f"nobody to enroll: none of {number_of(len(source), 'record', 'records')} has an "
                "identity. Put the files of each person into a folder of that name, all folders "
                "into one, and name that; or give a table with a column of names (--columns "
                "identity=NAME)",
            )
        results = self.session().results(source, options)
        return collect(
            (result, None if isinstance(result, ErrorResult) else source[ordinal].target)
            for ordinal, result in enumerate(results)
        )

    def _finished(
        self,
        results: Iterator[Result | ErrorResult],
        source: Source,
        options: PredictOptions,
    ) -> Iterator[Result | ErrorResult]:
        """The results with names: of what was found in them, and of who says their lines."""
        from anysize.api.attribution import attributed

        task = task_asked(tasks.of(self.card), self.card, options)
        return attributed(self._named(results, options), source, options, task)

    def _named(
        self, results: Iterator[Result | ErrorResult], options: PredictOptions
    ) -> Iterator[Result | ErrorResult]:
        """The results with the names of those who are in the gallery, where one is asked for."""
        from anysize.recognition.matching import Matcher
        from anysize.recognition.naming import named

        matching = self._matching(options)
        if getattr(matching, "collar", None) is not None:
            raise ConfigurationError(
                "collar is for evaluate --timeline, and does nothing in predict: leave it out"
            )
        if matching.gallery is None:
            return results
        return named(results, Matcher(self._gallery(matching.gallery), matching.threshold))

    def _matching(self, options: PredictOptions) -> MatchOptions:
        """Which gallery is asked for; of models for other tasks, none."""
        from anysize.tasks.match_options import MatchOptions

        task = task_asked(tasks.of(self.card), self.card, options)
        found = getattr(task, "matching", None)
        return found if isinstance(found, MatchOptions) else MatchOptions()

    def _check_not_matching(self, options: PredictOptions) -> None:
        """Evaluation compares every two records; a gallery and its threshold would do nothing."""
        from anysize.tasks.match_options import MatchOptions

        refuse_attribution(task_asked(tasks.of(self.card), self.card, options), "evaluate")
        matching = self._matching(options)
        usual = type(matching)()
        given = [name for name, value in vars(matching).items() if value != getattr(usual, name)]
        if getattr(matching, "timeline", False):
            given = [name for name in given if name in vars(MatchOptions())]
            if given:
                raise ConfigurationError(
                    f"{' and '.join(given)}: for predict and verify; evaluate --timeline matches "
                    "speakers to those of the reference, whatever their names"
                )
        if given:
            raise ConfigurationError(
                f"{' and '.join(given)}: for predict and verify; evaluate compares every two "
                "records and reports all thresholds"
            )

    def check_gallery(self, options: PredictOptions) -> None:
        """Refuses a gallery that is asked for and cannot be used, before anything is predicted.

        Raises:
            ConfigurationError, DataError: it is missing, damaged, or of another model.
        """
        matching = self._matching(options)
        if matching.gallery is not None:
            self._gallery(matching.gallery)

    def _gallery(self, folder: str | Path) -> Gallery:
        from anysize.recognition.gallery import load as load_gallery

        gallery = load_gallery(folder)
        gallery.check_embedder(self._fingerprint(), str(folder))
        return gallery

    def _check_embeds(self, what: str) -> None:
        if "embeddings" not in self.network.outputs:
            raise ConfigurationError(
                f"{what} of models that embed (face-recognition, speaker-recognition); this one is "
                f"for {self.card.task}"
            )

    def _fingerprint(self) -> str:
        from anysize.models.fingerprint import weights_fingerprint
        from anysize.recognition.gallery import embedder_fingerprint

        self._check_embeds("a gallery holds embeddings")
        if self.folder is None and self.network.form is not None:
            raise ConfigurationError(
                f"{self.network.spec} is a graph file, and galleries are kept for a bundle: give "
                "the bundle that it was exported from"
            )
        if self.folder is None and plugins.has("models", self.network.spec):
            return weights_fingerprint(self.network.module)
        if self.folder is None:
            raise ConfigurationError(
                f"galleries are for bundles in a folder, and {self.network.spec} has none"
            )
        return embedder_fingerprint(self.folder)
