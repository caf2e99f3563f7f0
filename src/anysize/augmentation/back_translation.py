"""A step that puts a paraphrase in the place of a text: it was translated there and back.

Back-translation as Sennrich et al. 2016 (arXiv:1511.06709) and Edunov et al. 2018 have it, for
texts with labels as in QANet (Yu et al. 2018, arXiv:1804.09541). Translating takes a model much
longer than training takes to read a text, so it is done once, beforehand
(``planning.paraphrases``); here only a lot is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from anysize.augmentation.draws import Draws
from anysize.augmentation.parameters import text
from anysize.augmentation.steps import CHANCE, Step
from anysize.augmentation.texts import Rewriting
from anysize.core.errors import ConfigurationError
from anysize.core.records import TextField

PROVIDES = ("back_translation",)


@dataclass(frozen=True, kw_only=True)
class BackTranslation(Rewriting):
    """Puts a text that was translated to another language and back in the place of the text.

    Must come first. Costs two translations of each training text, once; texts whose translation is
    empty, cut off or goes round in a loop stay as they are.
    """

    name: ClassVar[str] = "back_translation"
    there: str = field(default="", metadata=text("folder of a model for translation"))
    back: str = field(default="", metadata=text("folder of one that translates back"))
    p: float = field(default=0.5, metadata=CHANCE)

    def rewritten(self, text: TextField, record: str, draws: Draws) -> TextField:
        if draws.uniform() >= self.p:
            return text
        if self.paraphrases is None:
            raise ConfigurationError(
                "augment: back_translation has nothing to put in a text's place here; it works in "
                "training and in augment, which translate beforehand"
            )
        return self.paraphrases.of(record, text) or text


STEPS: tuple[type[Step], ...] = (BackTranslation,)
