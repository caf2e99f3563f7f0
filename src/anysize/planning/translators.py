"""Two models for translation that belong together: one translates there, the other one back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize.core.errors import ConfigurationError
from anysize.core.memory import default_budget, parse_size
from anysize.core.records import Record, Source
from anysize.core.results import ErrorResult
from anysize.modalities.texts.cells import in_memory
from anysize.models.spec import open_network
from anysize.planning.options import PredictOptions
from anysize.planning.session import Session
from anysize.tasks.distilling import Writing

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network
    from anysize.planning.prediction import PredictionPlan

_TASK = "translation"
_CODE = re.compile(r"[a-z]{2}([-_]\w+)?", re.IGNORECASE)
_SIDES = {"source": ("source_lang", "src_lang"), "target": ("target_lang", "tgt_lang")}


class Held:
    """Texts in memory as records of a source.

    Args:
        texts: an id and a text each.
        role: the field of a record that has it.
    """

    name = "texts"

    def __init__(self, texts: Sequence[tuple[str, str]], role: str) -> None:
        self._texts, self._role = texts, role

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> Record:
        name, text = self._texts[index]
        return Record(id=name, fields={self._role: in_memory(text, name)})

    def fingerprint(self) -> str:
        """Of nothing that lasts."""
        return ""


class Translator:
    """A model that translates texts, some at a time; its plan is made for the first of them.

    Args:
        folder: of the model.
        budget: bytes of memory.

    Raises:
        ConfigurationError: it is not for translation.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        network, card = open_network(str(folder))
        if card.task != _TASK:
            raise ConfigurationError(
                f"augment: back_translation needs models for {_TASK}, and {folder} is for "
                f"{card.task}"
            )
        self.folder = folder
        self.languages = languages_of(network, card)
        self._session = Session(network, card, folder)
        self._options = PredictOptions(memory=budget)
        self._plan: PredictionPlan | None = None

    def translated(self, texts: Sequence[tuple[str, str]]) -> list[tuple[str, str | None]]:
        """Of each text its translation, and why that cannot be used; None where it can."""
        if not texts:
            return []
        task = self._session.task
        assert isinstance(task, Writing)
        source: Source = Held(texts, task.role)
        self._plan = self._plan or self._session.plan(source, self._options)
        found: list[tuple[str, str | None]] = []
        for result in self._session.results(source, self._options, plan=self._plan):
            if isinstance(result, ErrorResult):
                found.append(("", "unreadable"))
            else:
                found.append((str(result.prediction), task.unusable(result)))
        return found

    def close(self) -> None:
        """Releases what runs the model."""
        if self._plan is not None:
            self._plan.close()


class Pair:
    """A translator there and one back.

    Args:
        there: folder of the first model.
        back: folder of the second one.
        memory: budget of both, in bytes or as ``2GiB``; None is the usual one.

    Raises:
        ConfigurationError: one of them is missing or is no model for translation, or they do not
            translate there and back; all that can be known at once.
    """

    def __init__(self, there: str, back: str, memory: int | str | None) -> None:
        check_folders(there, back)
        budget = default_budget() if memory is None else parse_size(memory)
        self.there = Translator(Path(there), budget // 2)
        self.back = Translator(Path(back), budget // 2)
        _check_languages(self.there, self.back)

    def paraphrases(self, texts: Sequence[tuple[str, str]]) -> list[tuple[str, str | None]]:
        """Of each text, by its id, its paraphrase, and why that cannot be used."""
        found = self.there.translated(texts)
        pairs = zip(found, texts, strict=True)
        going = [(name, text) for (text, why), (name, _) in pairs if why is None]
        returned = iter(self.back.translated(going))
        return [next(returned) if why is None else (text, why) for text, why in found]

    def close(self) -> None:
        """Releases both."""
        self.there.close()
        self.back.close()


def check_folders(there: str, back: str) -> None:
    """Raises ConfigurationError where the two models are not named, or are not there."""
    if not there or not back:
        raise ConfigurationError(
            "augment: back_translation needs two models for translation: "
            "back_translation(THERE, BACK), such as back_translation(runs/en-de, runs/de-en)"
        )
    problems = [
        f"augment: back_translation needs the folder of a model for translation as {name}, and "
        f"{folder!r} is none"
        for name, folder in (("there", there), ("back", back))
        if not Path(folder).is_dir()
    ]
    if problems:
        raise ConfigurationError(problems)


def languages_of(network: Network, card: Card) -> dict[str, str]:
    """The languages of a model's sources and targets (``source``, ``target``), as far as it says.

    Options of prediction that it keeps come first, then its tokenizer, then the columns that it was
    trained on where both are called like languages (``en``, ``de``).
    """
    recipe = card.provenance.get("recipe")
    columns = recipe.get("columns") if isinstance(recipe, Mapping) else None
    named: Mapping[str, Any] = columns if isinstance(columns, Mapping) else {}
    coded = all(_CODE.fullmatch(str(named.get(side, ""))) for side in _SIDES)
    found = {}
    for side, names in _SIDES.items():
        value = card.prediction.get(names[0])
        for name in names:
            value = value or getattr(network.hub_tokenizer, name, None)
        if value is None and coded:
            value = named[side]
        if isinstance(value, str) and value:
            found[side] = value
    return found


def _check_languages(there: Translator, back: Translator) -> None:
    problems = []
    for from_, into in (("target", "source"), ("source", "target")):
        one, other = there.languages.get(from_), back.languages.get(into)
        if one is not None and other is not None and _differ(one, other):
            problems.append(
                f"augment: back_translation needs a model that translates back, but the {from_}s "
                f"of {there.folder} are {one}, and the {into}s of {back.folder} are {other}"
            )
    if problems:
        raise ConfigurationError(problems)


def _differ(one: str, other: str) -> bool:
    """Whether two codes are of different languages; those of two systems are not compared."""
    first, second = (re.split("[-_]", each)[0].lower() for each in (one, other))
    return len(first) == len(second) and first != second
