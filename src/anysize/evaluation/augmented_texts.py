"""What an augmentation makes of texts: a table of them before and after."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from anysize.augmentation import Augmentation
from anysize.augmentation.sheet import refuse_suffix, spread
from anysize.augmentation.specification import refuse_unfit
from anysize.augmentation.texts import TextChanges
from anysize.core.errors import ConfigurationError
from anysize.core.files import write_text
from anysize.core.findings import Finding
from anysize.core.records import Record, Source
from anysize.evaluation.pages import page
from anysize.planning.paraphrases import with_made

CHARACTERS = 300
"""Of each text that is shown."""
_SUFFIXES = (".tsv", ".html")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSheet:
    """Texts, and what an augmentation makes of each.

    Attributes:
        records: ids of the records shown.
        failures: what could not be shown, one sentence each.
        augment: specification of the augmentation.
        texts: of each record, as it is and in each epoch; the first `CHARACTERS` characters.
        rows: none: each row is a record.
        findings: what opening the data guessed, repaired or left out.
    """

    noun: ClassVar[str] = "texts"

    records: tuple[str, ...]
    failures: tuple[str, ...]
    augment: str
    texts: tuple[tuple[str, ...], ...]
    rows: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())

    def facts(self) -> dict[str, Any]:
        """What ``--json`` says of it besides."""
        return {"characters": CHARACTERS, "texts": [list(row) for row in self.texts]}

    def lines(self) -> Iterator[str]:
        """The table for a terminal."""
        for record, (before, *after) in zip(self.records, self.texts, strict=True):
            yield record
            yield f"  as it is  {_line(before)}"
            for epoch, text in enumerate(after):
                yield f"  epoch {epoch:<3} {_line(text)}"

    def write(self, out: Path) -> None:
        """Writes the table, as TSV or as a page.

        Raises:
            ConfigurationError: the name of ``out`` says neither.
            DataError: it cannot be written.
        """
        refuse_suffix(out, _SUFFIXES, self.noun)
        epochs = [f"epoch {epoch}" for epoch in range(len(self.texts[0]) - 1)]
        rows = [(record, *row) for record, row in zip(self.records, self.texts, strict=True)]
        if out.suffix.lower() == ".tsv":
            buffer = io.StringIO()
            writer = csv.writer(buffer, delimiter="\t", lineterminator="\n")
            writer.writerow(["id", "text", *epochs])
            writer.writerows(rows)
            write_text(out, buffer.getvalue())
            return
        text = page(
            "evaluation/templates/texts.html",
            title="Augmentation of texts",
            subtitle=self.augment,
            head=["id", "as it is", *epochs],
            rows=rows,
            words=f"At most the first {CHARACTERS} characters of each.",
            failures=self.failures,
            findings=self.findings,
            provenance=None,
        )
        write_text(out, text)


def sheet(
    source: Source,
    augment: str | Augmentation,
    *,
    role: str,
    count: int,
    draws: int,
    seed: int,
) -> TextSheet:
    """Texts spread evenly over the data, as they are and as they come in some epochs.

    Args:
        source: the data.
        augment: a specification, or what was made of one.
        role: the field of the texts.
        count: texts at most.
        draws: epochs shown of each.
        seed: of the draws.

    Raises:
        ConfigurationError: ``auto``, which changes nothing of texts, or steps for something else.
        DataError: none of the texts can be read.
    """
    if augment == "auto":
        raise ConfigurationError(
            "augment must be named for texts, such as 'typos, drop_words': training changes them "
            "only where it is asked to"
        )
    chosen = Augmentation(augment) if isinstance(augment, str) else augment
    steps = (*chosen.steps, *chosen.batch_steps)
    refuse_unfit(steps, "texts")
    TextChanges(steps, seed)  # refuses steps in a wrong order before anything is translated
    changes = TextChanges(with_made(steps), seed)

    def show(record: Record) -> tuple[str, ...]:
        text = record.text(role)
        every = [text, *(changes.changed(text, epoch, record.id) for epoch in range(draws))]
        return tuple(each.read(0, CHARACTERS) for each in every)

    shown, failures = spread(source, count, show, "texts")
    return TextSheet(
        records=tuple(name for name, _ in shown),
        texts=tuple(row for _, row in shown),
        failures=tuple(failures),
        augment=chosen.spec,
    )


def _line(text: str) -> str:
    return " ".join(text.split())
