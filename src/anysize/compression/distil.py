"""A smaller student that learns from the bundle: soft targets and hidden states.

The teacher is the bundle that the step is given, so that in a chain every step learns from the one
before. The student is either the teacher's own layers, thinned out (``layers``), or any other model
(``student``). Of built-in models that are no stack of layers, such as those of numbers, the student
is a fresh net of half the width. What is learned, and how, is in ``training.distillation``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anysize import tasks
from anysize.compression.fitting import tuning_problems
from anysize.compression.narrower import narrower
from anysize.compression.protocols import Context
from anysize.core import plugins
from anysize.core.errors import ConfigurationError
from anysize.modalities import modality_of

if TYPE_CHECKING:
    from anysize.models.bundle import Card
    from anysize.models.network import Network

PROVIDES = ("distil",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilOptions:
    """Parameters of ``distil``.

    Attributes:
        student: model spec of the student; empty takes the teacher's own layers.
        layers: how many of them stay, evenly spread; 0 is half. Of a model of numbers: hidden
            layers of the student, 0 is as many as the teacher has.
        epochs: passes over the training data.
        learning_rate: the highest; None leaves it to the kind of student.
        temperature: of the softmax of both.
        weight: weight of the teacher's outputs in the loss.
        hidden: weight of the difference between hidden states.
    """

    student: str = ""
    layers: int = 0
    epochs: float = 8.0
    learning_rate: float | None = None
    temperature: float = 2.0
    weight: float = 0.5
    hidden: float = 1.0

    def __post_init__(self) -> None:
        problems = tuning_problems(self.epochs, self.learning_rate)
        if self.student and self.layers:
            problems.append(
                "give either student (another model) or layers (of the teacher's own), "
                f"not student={self.student} and layers={self.layers}"
            )
        if self.layers < 0 or self.hidden < 0:
            problems.append(
                f"layers and hidden must not be negative, not {self.layers} and {self.hidden:g}"
            )
        if self.epochs == 0:
            problems.append("epochs must be above 0")
        if not self.temperature > 0:
            problems.append(f"temperature must be above 0, not {self.temperature:g}")
        if not 0 <= self.weight <= 1:
            problems.append(f"weight must be from 0 to 1, not {self.weight:g}")
        if problems:
            raise ConfigurationError(problems)


class Distil:
    """See the module."""

    key = "distil"
    needs_data = True
    compiles = False
    options = DistilOptions

    def problems(self, network: Network, card: Card) -> list[str]:
        from anysize.training.distillation import problems

        return problems(tasks.of(card), card, card.labels)

    def apply(self, source: Path, out: Path, options: Any, context: Context) -> None:
        assert isinstance(options, DistilOptions)
        if context.data is None:
            raise ConfigurationError("method 'distil' needs data: give --data")
        learning: dict[str, Any] = {
            "epochs": options.epochs,
            "learning_rate": options.learning_rate,
            "teacher": str(source),
            "temperature": options.temperature,
            "distil_weight": options.weight,
            "hidden_weight": options.hidden,
        }
        if options.student:
            _train(source, out, options.student, learning, context)
            return
        found = narrower(source, options.layers)
        if found is not None:
            sizes = ", ".join(f"{name}={value}" for name, value in found.options.items())
            context.say(f"distil: the student is {found.model} with {sizes}")
            learning = {**learning, **_as_before(source, options), "options": found.options}
            _train(source, out, found.model, learning, context)
            return
        from anysize.compression.tuning import fine_tune

        layers = _layers(source, options.layers)
        context.say(f"distil: the student has {layers} of the teacher's layers")
        fine_tune(source, out, context, options={"layers": str(layers)}, **learning)


def _layers(source: Path, wanted: int) -> int:
    """How many layers the student has.

    Raises:
        ConfigurationError: the teacher has no layers that could be left out, or too few.
    """
    from anysize.models.spec import open_network
    from anysize.models.thinned import layers_of

    network, _ = open_network(str(source))
    found = layers_of(network.module)
    if found is None or network.outputs != ("logits",):
        raise ConfigurationError(
            f"distil: {source} is not a stack of transformer layers that could be thinned out; "
            "name a smaller model: distil(student=SPEC)"
        )
    if network.altered:
        raise ConfigurationError(
            f"distil: the layers of {source} have been pruned; thin them out before, as in "
            "distil(layers=3), prune-structured"
        )
    count = len(found[1])
    if count == 1:
        raise ConfigurationError(
            f"distil: {source} has one layer, so that none can be left out; name a smaller model: "
            "distil(student=SPEC)"
        )
    layers = wanted or max(count // 2, 1)
    if not layers <= count:
        raise ConfigurationError(f"distil: layers must be at most {count}, not {layers}")
    return layers


def _as_before(source: Path, options: DistilOptions) -> dict[str, Any]:
    """How the teacher was trained, which is how a fresh net of its kind is trained."""
    from anysize.compression.tuning import taken_over
    from anysize.models import bundle

    card = bundle.read_card(source)
    rate = options.learning_rate
    if rate is None:
        rate = (card.provenance.get("recipe") or {}).get("learning_rate")
    return {**taken_over(card), "learning_rate": rate}


def _train(
    source: Path, out: Path, student: str, learning: dict[str, Any], context: Context
) -> None:
    """Trains another model than the teacher."""
    from anysize.compression.tuning import train
    from anysize.models import bundle

    card = bundle.read_card(source)
    sizes: dict[str, Any] = {}
    if student in plugins.keys("models"):
        # Others have sizes of their own, to which pictures are fitted for the teacher.
        sizes = modality_of(card.settings).taken_over(card.settings)
    train(
        card,
        out,
        context,
        said=f"distil: trained {student}",
        carried=lambda trained: dataclasses.replace(trained, compression=card.compression),
        model=student,
        seed=context.seed,
        **sizes,
        **learning,
    )


def make(_key: str) -> Distil:
    """The method."""
    return Distil()
