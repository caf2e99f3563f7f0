"""What a language model writes: continuations of texts, and answers beside those of the data.

A few records and a few tokens each, by the most probable token each time, so that the same model
and the same data give the same samples in a bounded time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anysize.core import plugins
from anysize.core.errors import AnysizeError, DataError
from anysize.core.protocols import Generator
from anysize.core.records import Record, Source, record_id
from anysize.evaluation.language_result import Sample, Unlikely
from anysize.models.chat_template import needed
from anysize.readers.text import Text
from anysize.sources.conversations import Conversation, Message
from anysize.tasks.continuation_options import AnswerOptions
from anysize.tasks.conversation_findings import is_conversation
from anysize.tasks.protocols import answering, step_of

if TYPE_CHECKING:
    from anysize.models.network import Network
    from anysize.tasks.protocols import Task

NEW_TOKENS = 48
"""Of a sample, at most."""

_CONTINUED = 4
_WORST = _RANDOM = 3
_SEED = 0
_TRIED = 64  # records that are looked at for those chosen at random
_PROMPT = 80  # characters
_LONGEST = 2048  # tokens of a conversation
_SHOWN = 1500  # characters


def samples(
    task: Task, network: Network, source: Source, worst: Sequence[Unlikely]
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """Samples of a few records, and what must be said about them.

    Args:
        task: the language model's.
        network: that writes.
        source: that is measured.
        worst: its least likely records, these first.
    """
    generator = _generator(network)
    if generator is None:
        return (), ("no samples: nothing here can generate with this model",)
    chat = is_conversation(source)
    write = _Writer(task, network, generator, chat=chat)
    if chat:
        return _answers(write, network, source, worst)
    return tuple(_continuations(write, source)), ()


def beginning(source: Source, index: int) -> str:
    """The first characters of a record, not cut in the middle of a word where it has blanks."""
    try:
        text = source[index].text("text").read(0, _PROMPT)
    except AnysizeError:
        return ""
    return text.rsplit(" ", 1)[0] if len(text) == _PROMPT and " " in text else text


def _generator(network: Network) -> Generator | None:
    """What continues prompts; None where the model cannot.

    Beside the weights it is torch, in float32; a compiled form is read by its own runtime.
    """
    if network.form is not None:
        runtime: Any = plugins.load("runtimes", network.form.runtime)
        if not hasattr(runtime, "open_generator"):
            return None
        opened: Generator = runtime.open_generator(network, network.form.precision)
        return opened
    from anysize.runtimes.torch_generation import TorchGenerator, can_generate

    if not can_generate(network.module):
        return None
    return TorchGenerator(network, "float32", next(network.module.parameters()).device)


class _Writer:
    """Writes what comes after a prompt.

    Args:
        task: the language model's.
        network: that writes.
        generator: of it.
        chat: whether prompts go through the chat template, whatever the model does with them.
    """

    def __init__(self, task: Task, network: Network, generator: Generator, *, chat: bool) -> None:
        asked: Any = answering(task)
        asked = asked.predicting(AnswerOptions(chat=chat, max_new_tokens=NEW_TOKENS))
        self._preprocess = asked.preprocess(network)
        self._step: Any = step_of(asked, network)
        self._generator = generator

    def __call__(self, record: Record) -> tuple[str, bool] | None:
        """The text, and whether it was cut; None where the prompt is too long or gives nothing."""
        examples = list(self._preprocess(0, record, None))
        if sum(example.cost for example in examples) > _LONGEST:
            return None
        limits = [NEW_TOKENS]
        for growth in self._generator.generate(examples, self._step.options, limits=limits):
            if growth.problem is None:
                return self._step.decode(growth.tokens), growth.ending == "length"
        return None


def _continuations(write: _Writer, source: Source) -> Iterator[Sample]:
    """Of the beginnings of records that lie evenly in the data."""
    given = 0
    for index in range(0, len(source), max(len(source) // _CONTINUED, 1)):
        prompt = beginning(source, index)
        if not prompt.strip() or given == _CONTINUED:
            continue
        found = write(Record(id=str(index), fields={"text": Text(prompt)}))
        if found is not None:
            given += 1
            yield Sample(id=_id(source, index), prompt=prompt, continuation=found[0])


def _answers(
    write: _Writer, network: Network, source: Source, worst: Sequence[Unlikely]
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    """The last answers of the least likely conversations, and of some at random."""
    template = needed(network)
    found: list[Sample] = []
    taken: set[int] = set()
    long = 0

    def sample(index: int, chosen: str, loss: float | None) -> bool:
        nonlocal long
        try:
            messages, reference = _last_answer(source[index])
            written = write(_record(str(index), messages))
        except DataError:
            return False  # named where the model reads it
        if written is None:
            long += 1
            return False
        ids = template.encoded(reference, as_text=True)
        cut = len(ids.ids) > NEW_TOKENS
        stop = ids.offsets[NEW_TOKENS - 1][1] if cut else len(reference)
        found.append(
            Sample(
                id=_id(source, index),
                prompt=_shown(messages),
                continuation=written[0],
                cut=written[1],
                reference=reference[:stop],
                reference_cut=cut,
                chosen=chosen,
                perplexity=loss,
            )
        )
        taken.add(index)
        return True

    for each in worst:
        if len(found) == _WORST:
            break
        sample(each.index, "highest perplexity", each.perplexity)
    left = _RANDOM
    for index in np.random.default_rng(_SEED).permutation(len(source))[:_TRIED].tolist():
        if index not in taken and left and sample(index, "at random", None):
            left -= 1
    notices = []
    if long:
        notices.append(
            f"{long:,} of the conversations chosen to be answered here have more than {_LONGEST:,} "
            "tokens before the answer; others are shown instead"
        )
    return tuple(found), tuple(notices)


def _last_answer(record: Record) -> tuple[list[Message], str]:
    """The messages before the last answer of a conversation, and that answer."""
    text: Any = record.text("text")
    if not isinstance(text, Conversation):
        raise DataError(record.id, "is not a conversation")
    messages = text.messages()
    last = max(place for place, one in enumerate(messages) if one.role == "assistant")
    return messages[:last], messages[last].content


def _record(name: str, messages: Sequence[Message]) -> Record:
    said = [{"role": one.role, "content": one.content} for one in messages]
    return Record(id=name, fields={}, values={"messages": json.dumps(said)})


def _shown(messages: Sequence[Message]) -> str:
    """The end of what was said, which is what is answered."""
    text = "\n".join(f"{one.role}: {one.content}" for one in messages)
    return text if len(text) <= _SHOWN else f"… {text[-_SHOWN:]}"


def _id(source: Source, index: int) -> str:
    try:
        return record_id(source, index)
    except DataError:
        return str(index)
