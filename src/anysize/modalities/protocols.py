"""What a modality must do, and what it need not say."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from anysize.core.errors import BundleError, ConfigurationError
from anysize.core.options import Options, declared
from anysize.core.records import Source
from anysize.modalities.parts import Costs, Defaults, Feeding, GraphInput, NoOptions
from anysize.modalities.reading import Reading
from anysize.modalities.settings import Settings

if TYPE_CHECKING:
    import torch
    from torch import nn

    from anysize.core.examples import Example
    from anysize.models.execution import Execution, Tensors
    from anysize.models.network import Network


class Modality(Reading):
    """One modality: everything that differs between modalities is behind these methods.

    A plug-in module of ``anysize.modalities`` has ``PROVIDES`` and ``make(key) -> Modality``. It
    is imported to read data, so it must import heavy libraries inside its methods.

    Attributes:
        key: the plug-in's key.
        settings: how inputs become windows; stored in the card.
        options: what a user may ask of the windows: a table of a recipe, whose options are None by
            default.
        instead: options of other modalities, and the option of this one that is their counterpart.
        costs: how much is worth running at once.
        one_shape: name of the array whose shapes must be alike in a batch, so that others are run
            apart; empty where examples are padded or all alike, and `execution` and `feeding` are
            its own.
        reads_slowly: whether decoding takes so long that reader threads pay in prediction.
        main_input: the first argument of the modules that read it (``main_input_name`` in
            transformers), by which a folder in the Hugging Face layout is recognised.
        light: whether a batch is too little work for several threads, so that batches side by side
            are faster.
        augmented: whether ``anysize.augmentation`` changes its examples in training.
        drawn_by: what draws results on its inputs, as ``module:class``; empty where nothing does.
            It is made with a folder, and has the methods of ``results.drawing.Drawing``.
        sheet_by: what shows an augmentation of its records, as ``module:function``
            (``evaluation.augmented_sounds.sheet``); empty where nothing does.
    """

    key: ClassVar[str]
    settings: ClassVar[type[Settings]]
    options: ClassVar[type[Options]] = NoOptions
    instead: ClassVar[Mapping[str, str]] = {}
    costs: ClassVar[Costs] = Costs()
    one_shape: ClassVar[str] = ""
    main_input: ClassVar[str] = ""
    light: ClassVar[bool] = False
    reads_slowly: ClassVar[bool] = False
    augmented: ClassVar[bool] = False
    drawn_by: ClassVar[str] = ""
    sheet_by: ClassVar[str] = ""

    # What a model is built with, and what is kept with it.

    def facts(self, source: Source, *, role: str, task: str, teacher: str | None) -> object | None:
        """What a model builder is given of the training data; see ``BuildRequest``.

        Args:
            source: the training data.
            role: the field that is windowed.
            task: the task's name.
            teacher: spec of the model that the new one is to learn from.
        """
        return None

    def begin(self, network: Network, facts: object | None) -> None:
        """Changes a network that was just built, by what is known of the data."""

    def changed(self, network: Network, wishes: Any) -> Settings:
        """The settings of a network with a user's wishes.

        Args:
            network: whose settings they are.
            wishes: an instance of ``options``.

        Raises:
            ConfigurationError: the network cannot do that.
        """
        return network.settings

    def enlarged(self, network: Network, wishes: Any) -> Settings:
        """The settings of a bundle's network that is trained further; see ``changed``."""
        return self.changed(network, wishes)

    def save(self, folder: Path, network: Network) -> None:
        """Writes the files of the preprocessing that ``transformers`` reads into a folder."""

    def takes(self, name: str) -> bool:
        """Whether the first argument of a module is read by this modality; see ``main_input``."""
        return name == self.main_input

    def apart(self, network: Network) -> str:
        """Name of the array whose shapes must be alike in a batch of a network; see ``one_shape``.

        Empty where examples are padded or all alike.
        """
        return self.one_shape

    def opened(self, spec: str, module: Any, wishes: Any) -> dict[str, Any]:
        """The preprocessing of a model in the Hugging Face layout, as arguments of ``Network``.

        Args:
            spec: the folder or hub id.
            module: of it, whose ``main_input_name`` is this modality's.
            wishes: an instance of ``options``, or None.

        Returns:
            ``settings``, and what else belongs to it (``tokenizer``).

        Raises:
            BundleError: the preprocessing is missing or damaged.
            ConfigurationError: the wishes cannot be fulfilled.
        """
        raise BundleError(spec, f"has no settings for {self.settings.content}")

    def restore(self, network: Network, place: Path) -> None:
        """Reads what a network without weights needs beside its settings: a tokenizer.

        Args:
            network: with its settings; changed.
            place: a bundle's folder, or a graph file.
        """

    def inspected(self, folder: Path) -> dict[str, Any]:
        """What inspecting a model shows beside its card, from the files of its preprocessing.

        Raises:
            BundleError: one of them is damaged.
        """
        return {}

    def problems(self, network: Network, settings: Settings) -> list[str]:
        """Why a card's settings cannot be those of the network that lies beside it."""
        return []

    # What is made up, to probe and to trace.

    @abstractmethod
    def made_up(self, network: Network, costs: Sequence[int]) -> list[Example]:
        """Examples of noise.

        Args:
            network: that can run them.
            costs: of each, as near as there are such examples.
        """

    def smallest(self, network: Network) -> int:
        """The cost of the smallest part of a window that is worth probing."""
        return 64

    growth: ClassVar[int] = 2
    """By which the parts of a window that are probed grow."""

    # How it is run.

    def execution(
        self, network: Network, device: torch.device, *, packed: bool | None = None
    ) -> Execution:
        """Examples to outputs in torch, with gradients where the caller wants them.

        Args:
            network: on ``device`` already.
            device: where it runs.
            packed: side by side without padding, where there is such a way; None chooses.
        """
        from anysize.models.execution import Stacked

        return Stacked(network, device, self.one_shape)

    def lengths(self, examples: Sequence[Example], network: Network) -> NDArray[np.int64]:
        """Tokens, or steps, of each window: of models that have outputs for each of them.

        Args:
            examples: the windows.
            network: that runs them; it may give fewer steps than there are frames.
        """
        return np.array([example.cost for example in examples], np.int64)

    def inference(
        self, network: Network, execution: Execution, device: torch.device, precision: str
    ) -> Callable[[Sequence[Example]], Tensors] | None:
        """A form of the weights made for prediction; None where the execution is the fastest.

        Args:
            network: on ``device`` already, in evaluation mode.
            execution: of it.
            device: where it runs.
            precision: ``float32`` or ``bfloat16``, which is the form's own business.
        """
        return None

    @abstractmethod
    def graph_inputs(self, network: Network) -> tuple[GraphInput, ...]:
        """The inputs of a network's graph, in order."""

    def feeding(self, network: Network) -> Feeding:
        """Examples to the arrays of `graph_inputs`; the network's weights are never read."""
        return lambda examples: [np.stack([example.arrays[self.one_shape] for example in examples])]

    def graph_notes(self, network: Network) -> dict[str, Any]:
        """What a graph file must say beside the settings, for whoever reads it elsewhere."""
        return {}

    def graph_problems(self, notes: dict[str, Any]) -> list[str]:
        """Why a graph file cannot be fed here, by its `graph_notes`."""
        return []

    def fitted(self, settings: Any, shape: tuple[int, ...], problems: list[str]) -> Settings:
        """The settings with the sizes that are fixed in a graph.

        Args:
            settings: that the graph's file names.
            shape: of its first input; 0 is a free size, and empty where it is not known.
            problems: takes why they do not fit.
        """
        found: Settings = settings
        return found

    def noise(
        self, network: Network, random: np.random.Generator, batch: int, length: int
    ) -> list[NDArray[Any]]:
        """Arrays for the inputs of a graph, to compare what it gives with what torch gives.

        Args:
            network: whose graph it is.
            random: draws them.
            batch: how many windows.
            length: of each, where it is free.
        """
        found: list[NDArray[Any]] = []
        for item in self.graph_inputs(network):
            array = item.example(batch, length)
            if array.dtype == np.float32:
                array = random.standard_normal(array.shape).astype(np.float32)
            found.append(array)
        return found

    # Training.

    def arrange(self, module: nn.Module) -> None:
        """Lays a module's weights out as they are trained the fastest."""

    def defaults(self, *, pretrained: bool, normalised: bool = False) -> Defaults:
        """What a kind of model is trained with.

        Args:
            pretrained: whether weights were loaded.
            normalised: whether the network normalises over the batch.
        """
        if pretrained:
            return Defaults(epochs=5, batch=32, learning_rate=1e-4)
        return Defaults(epochs=20, batch=32, learning_rate=1e-3)

    def shortest_side(self, network: Network) -> int:
        """Of windows that may be made smaller at the beginning of training; 0 where they may not.

        See ``Execution.side``.
        """
        return 0

    def worth_keeping(self, source: Source, role: str, most: int) -> int:
        """Bytes that keeping a field decoded takes, at most ``most``; 0 where it is not worth it.

        Args:
            source: the data.
            role: the field.
            most: bytes there are for it.
        """
        return 0

    def keeping(self, source: Source, role: str, capacity: int) -> Source:
        """A source that keeps a field that it has decoded, within so many bytes."""
        return source

    def fit_teacher(self, network: Network) -> None:
        """Makes a teacher take the windows of its student."""

    def differences(self, student: Network, teacher: Network) -> list[str]:
        """Why two networks cannot be compared on the same examples."""
        return []

    def comparable(self, network: Network) -> tuple[Any, ...]:
        """What must be the same in two networks whose layers are compared, beside the examples."""
        return ()

    def taken_over(self, settings: Any) -> dict[str, Any]:
        """Fields of a recipe that give a fresh student the windows of its teacher."""
        return {}

    def as_options(self, wishes: Mapping[str, Any]) -> Any:
        """An instance of ``options`` of those wishes that it has.

        Args:
            wishes: by name; None leaves an option as it is.
        """
        known = [one.name for one in declared(self.options)]
        return self.options(**{name: wishes[name] for name in known if name in wishes})

    def refuse_augmentation(self, spec: str, task: str) -> None:
        """Raises ConfigurationError where augmentation changes nothing of this modality."""
        if not self.augmented:
            raise ConfigurationError(
                f"augment must be none for {task}, not {spec!r}: it changes pictures, recordings "
                "and texts that have a label or a number"
            )
