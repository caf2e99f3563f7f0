"""What surrounds a passage when a model is asked to summarise it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from anysize.core.errors import ConfigurationError, DataError
from anysize.core.generation import GenerationOptions
from anysize.modalities.texts.settings import TextSettings
from anysize.models.chat_template import ChatTemplate, Message
from anysize.models.network import Network
from anysize.models.positions import position_count
from anysize.models.sequence_ends import end_tokens
from anysize.tasks.summary_options import SummaryOptions
from anysize.windows.encoding import TextEncoder
from anysize.windows.frames import Frame

NEW_TOKENS = 128
"""Tokens of a written summary at most, where neither the user nor the model says it."""

# Tokens of a passage that a window must have room for.
_LEAST_ROOM = 16
# What is read side by side may have a token or two more than its parts.
_SPARE = 2
_PROBE = "The"
# What language models that follow no instructions take for the beginning of a summary (Radford et
# al. 2019, section 3.6).
_HINT = "\nTL;DR:"


@dataclass(frozen=True, eq=False)
class Prompt:
    """Passages as a model reads them.

    Attributes:
        before, after: ids of what surrounds the tokens of a passage, int32.
        encoder: of the passages; what looks like a special token in them is read as text.
        most: tokens that a passage may have.
        begin: what the decoder of an encoder-decoder begins with; None leaves it to the model.
        frame: what surrounds the tokens of a summary that an encoder-decoder is to write.
        lead: what is before a summary that a decoder writes, a blank or nothing.
        ending: ids of what a decoder ends a summary with, int32.
    """

    before: NDArray[np.int32]
    after: NDArray[np.int32]
    encoder: TextEncoder
    most: int
    begin: NDArray[np.int32] | None = None
    frame: Frame | None = None
    lead: str = ""
    ending: NDArray[np.int32] | None = None

    def labels(self, summary: str) -> NDArray[np.int32]:
        """What a model is to write for a summary, the token that ends it included."""
        if self.frame is None:
            own = np.array(self.encoder.ids(self.lead + summary), np.int32)
            return own if self.ending is None else np.concatenate([own, self.ending])
        found = self.frame.around(self.encoder.ids(summary))
        # What the decoder begins with is no part of what it is to write.
        begun = self.begin is not None and len(found) > 1 and found[0] == self.begin[-1]
        return found[1:] if begun else found

    def size(self, text: str) -> int:
        """The tokens of a passage."""
        return len(self.encoder.ids(text))

    def arrays(self, text: str) -> dict[str, NDArray[Any]]:
        """What the model reads of a passage."""
        own = np.array(self.encoder.ids(text), np.int32)
        found: dict[str, NDArray[Any]] = {
            "input_ids": np.concatenate([self.before, own, self.after])
        }
        if self.begin is not None:
            found["decoder_input_ids"] = self.begin
        return found


def prompt_of(network: Network, options: SummaryOptions) -> Prompt:
    """How a network is asked for a summary.

    Encoder-decoders read the passage behind the prefix of their configuration (T5: ``summarize:``);
    models with a chat template an instruction and the passage, others the passage and ``TL;DR:``.

    Raises:
        ConfigurationError: there is no room for a passage, or an instruction for a model that
            follows none.
    """
    encoder = _plain_encoder(network)
    config: Any = network.module.config
    encodes = bool(getattr(config, "is_encoder_decoder", False))
    template = ChatTemplate.of(network)
    if options.instruction is not None and (encodes or not template):
        raise ConfigurationError(
            f"instruction is for models with a chat template, and {network.spec!r} has none: leave "
            "it out"
        )
    frame = encoder.frames.single
    window = network.reads(TextSettings).window
    begin, ending = None, _end(network)
    if encodes:
        prefix = str(_own(network, "prefix", ""))
        before: Sequence[int] = [*frame.prefix.tolist(), *_leading(encoder, prefix)]
        after: Sequence[int] = frame.suffix.tolist()
        begin = _begin(network)
    elif template:
        before, after, own_ending = _chat(template, options)
        # What the template writes there may be something else than what ends the generation.
        ended = set(own_ending) & set(end_tokens(network.module))
        ending = [*own_ending, *([] if ended else ending)]
    else:
        before, after = frame.prefix.tolist(), encoder.ids(_HINT)
    if not encodes:
        positions = position_count(config)
        if positions is not None:
            window = min(window, positions - generation_of(network, options).most)
    most = window - len(before) - len(after) - _SPARE
    if most < _LEAST_ROOM:
        raise ConfigurationError(
            f"window: there is room for {max(most, 0)} tokens of the text beside the "
            f"{len(before) + len(after)} of the prompt and those that are to be written, and "
            f"{_LEAST_ROOM} are needed: raise --window, or lower --max-new-tokens"
        )
    around = np.array(before, np.int32), np.array(after, np.int32)
    if encodes:
        return Prompt(*around, encoder, most, begin, frame)
    lead = "" if template else " "
    return Prompt(*around, encoder, most, lead=lead, ending=np.array(ending, np.int32))


def generation_of(network: Network, options: SummaryOptions) -> GenerationOptions:
    """How summaries are written: as asked for, as the model's configuration says, or plainly.

    That is 128 tokens at most, by greedy decoding.
    """
    most = options.max_new_tokens or int(_own(network, "max_length", NEW_TOKENS))
    least = 0 if options.max_new_tokens else int(_own(network, "min_length", 0))
    return GenerationOptions(
        most=most,
        least=min(least, most),
        beams=options.beams or int(_own(network, "num_beams", 1)),
        length_penalty=_given(options.length_penalty, network, "length_penalty", 1.0),
        no_repeat=int(_given(options.no_repeat, network, "no_repeat_ngram_size", 0)),
    )


def _given(asked: float | None, network: Network, name: str, default: float) -> float:
    return float(_own(network, name, default)) if asked is None else asked


def _own(network: Network, name: str, default: Any) -> Any:
    """What a configuration says of summarization (``task_specific_params``)."""
    entries = getattr(network.module.config, "task_specific_params", None) or {}
    own = entries.get("summarization") or {}
    found = own.get(name)
    kinds = (int, float) if isinstance(default, int | float) else type(default)
    return found if isinstance(found, kinds) and not isinstance(found, bool) else default


def _leading(encoder: TextEncoder, prefix: str) -> list[int]:
    """The tokens of what is before a passage, to which the blank between may belong."""
    bare = encoder.ids(prefix.rstrip())
    joined = [*bare, *encoder.ids(_PROBE)] == encoder.ids(prefix + _PROBE)
    return bare if joined else encoder.ids(prefix)


def _begin(network: Network) -> NDArray[np.int32] | None:
    """The first tokens of the decoder, where the model wants more than one."""
    owners = (getattr(network.module, "generation_config", None), network.module.config)

    def first(name: str) -> int | None:
        found = (getattr(owner, name, None) for owner in owners)
        return next((int(each) for each in found if each is not None), None)

    forced, start = first("forced_bos_token_id"), first("decoder_start_token_id")
    if forced is None or start is None:
        return None
    return np.array([start, forced], np.int32)


def _plain_encoder(network: Network) -> TextEncoder:
    """An encoder for which no text is a special token."""
    encoder = TextEncoder(Tokenizer.from_str(network.needed_tokenizer().to_str()))
    encoder.tokenizer.encode_special_tokens = True
    return encoder


def _end(network: Network) -> list[int]:
    """The token that ends what a decoder writes, where it has one."""
    return list(end_tokens(network.module)[:1])


def _chat(
    template: ChatTemplate, options: SummaryOptions
) -> tuple[list[int], list[int], list[int]]:
    """The tokens around the passage in the model's chat template, and those behind a summary."""
    count = options.sentences
    length = "" if count is None else f" in {count} sentence{'s' if count > 1 else ''}"
    instruction = options.instruction or f"Summarize the following text{length}."
    asked: Message = {"role": "user", "content": f"{instruction}\n\n"}
    answer: Message = {"role": "assistant", "content": ""}
    try:
        (before, _), (said, _), (after, _) = template.parts([asked], ask=True)
        rest = template.parts([asked, answer], ask=False)[-1][0]
    except DataError as error:
        raise ConfigurationError(str(error)) from error

    def ids(text: str, *, as_text: bool = False) -> list[int]:
        return list(template.encoded(text, as_text=as_text).ids)

    if template.spells_special([asked]):
        leading = [*ids(before), *ids(said, as_text=True)]
    else:
        leading = ids(before + said)
    return leading, ids(after), ids(template.ending(rest))
