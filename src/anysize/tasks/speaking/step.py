"""Utterances through a voice; what has nothing to say is silent without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from anysize.core.examples import Example
from anysize.core.protocols import Runtime
from anysize.core.steps import ONE_RUN, Ability, Answer


@dataclass(frozen=True, slots=True)
class Speaking:
    """One run of the voice for each utterance that has phonemes; see ``core.steps.Step``."""

    needs: ClassVar[Ability] = "run"

    def cost(self, own: int) -> int:
        """The example's own."""
        return own

    def answers(
        self, runtime: Runtime, examples: Sequence[Example], *, partial: bool = False
    ) -> Iterator[Answer]:
        """The samples of each utterance; a problem where they are not finite.

        One after the other, in the order of the text: a voice says them so in any case, and whoever
        listens while it speaks need not wait for a batch.
        """
        for example in sorted(examples, key=lambda each: (each.ordinal, each.window.index)):
            if len(example.arrays["input_ids"]):
                yield from ONE_RUN.answers(runtime, [example])
            else:
                nothing = {"waveform": np.zeros(0, np.float32), "samples": np.array(0)}
                yield Answer(example, {**nothing, **example.aside})

    def rehearse(self, runtime: Runtime, examples: Sequence[Example]) -> float | None:
        """Runs them."""
        for example in examples:
            runtime.run([example])
        return None
