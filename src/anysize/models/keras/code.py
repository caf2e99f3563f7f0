"""Program code that a Keras file carries or names: found in its JSON and refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from anysize.core.errors import BundleError

# A layer's own module; what Keras itself writes as the module of classes that it has.
_OWN_MODULES = re.compile(r"(keras|builtins)(\.[\w.]+)?")
LAMBDAS = ("Lambda", "__lambda__")


def check_code(entries: Any, origin: str, *, allow_lambda: bool) -> None:
    """Refuses what would run code that a file carries or names, before Keras sees it.

    Args:
        entries: the file's JSON.
        origin: for messages.
        allow_lambda: whether lambda layers are allowed.

    Raises:
        BundleError: a lambda that is not allowed, or a class that is not of Keras.
    """
    for found in objects(entries):
        name, module = found.get("class_name"), found.get("module")
        if name in LAMBDAS and not allow_lambda:
            raise BundleError(
                origin,
                "has a lambda layer, which is program code in the file and could do anything: "
                "allow it only if you trust whoever made the file (--model-options "
                "allow-lambda=yes)",
            )
        custom = found.get("registered_name")
        if isinstance(module, str) and not _OWN_MODULES.fullmatch(module):
            custom = custom or f"{module}.{name}"
        if isinstance(custom, str) and (">" in custom or "." in custom) and name not in LAMBDAS:
            raise BundleError(
                origin,
                f"has the class {custom!r}, which is not one of Keras's own; rebuild the model "
                "with Keras's layers and save it again",
            )


def has_code(entries: Any) -> bool:
    """Whether there is a lambda in it."""
    return any(found.get("class_name") in LAMBDAS for found in objects(entries))


def objects(entries: Any) -> Iterator[Mapping[str, Any]]:
    """Every JSON object in JSON, however deep."""
    stack = [entries]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)
