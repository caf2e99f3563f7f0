"""What is said of conversations before they are learned from."""

from __future__ import annotations

from collections import Counter, defaultdict

from anysize.core.errors import DataError
from anysize.core.findings import Findings
from anysize.core.progress import counted
from anysize.core.records import Source, record_id
from anysize.sources.conversations import BrokenConversationError, Conversation

_SHOWN = 5
_LOOKED_AT = 8


def is_conversation(source: Source) -> bool:
    """Whether the first records of data that can be read are conversations."""
    for index in range(min(len(source), _LOOKED_AT)):
        try:
            return isinstance(source[index].fields.get("text"), Conversation)
        except DataError:
            continue
    return False


def survey_conversations(source: Source, findings: Findings) -> None:
    """Says how many conversations there are, and why some of them cannot be learned from."""
    if not is_conversation(source):
        return
    whole = answers = open_ended = 0
    broken: Counter[str] = Counter()
    examples: defaultdict[str, list[str]] = defaultdict(list)
    for index in counted(range(len(source)), f"looking through {source.name}", len(source)):
        try:
            text = source[index].fields.get("text")
            if not isinstance(text, Conversation):
                continue
            messages = text.messages()
        except BrokenConversationError as error:
            broken[error.kind] += 1
            if len(examples[error.kind]) < _SHOWN:
                examples[error.kind].append(record_id(source, index))
            continue
        except DataError:
            continue  # named when it is read to be learned from
        whole += 1
        answers += sum(message.role == "assistant" for message in messages)
        open_ended += messages[-1].role != "assistant"
    findings.add(
        "conversations",
        f"{whole:,} conversations with {answers:,} answers; only the answers are learned and "
        "measured",
        level="note",
        count=whole,
        unit="conversations",
        remedy="to learn a column as running text, name it with --columns text=NAME",
    )
    for kind, count in sorted(broken.items()):
        findings.add(
            "conversation-broken",
            f"left out: {kind}",
            level="warning",
            count=count,
            unit="conversations",
            examples=examples[kind],
            remedy="correct these records, or leave them out",
        )
    if open_ended:
        findings.add(
            "conversation-open",
            "messages after the last answer are not read",
            level="note",
            count=open_ended,
            unit="conversations",
        )
