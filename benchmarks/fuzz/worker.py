"""The process that reads mutated inputs: a path a line comes in, an answer a line goes out."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from anysize.core.errors import AnysizeError
from anysize.core.memory import peak, reset_peak
from benchmarks.fuzz import kinds


def main() -> None:
    # Whatever a library prints goes elsewhere.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    kind = kinds.load(sys.argv[1])
    _say(answers, {})
    for line in sys.stdin.buffer:
        path = Path(os.fsdecode(line.rstrip(b"\n")))
        reset_peak()
        answer, message = "read", ""
        try:
            kind.read(path)
        except AnysizeError as error:
            answer, message = "refused", str(error)
        except BaseException as error:  # noqa: BLE001  that is what is looked for
            answer = "traceback"
            message = f"{type(error).__name__}: {error} at {_place(error)}"
        _say(answers, {"answer": answer, "message": message[:500], "peak": peak()})


def _say(answers: object, told: dict[str, object]) -> None:
    print(json.dumps(told), file=answers, flush=True)  # type: ignore[call-overload]


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "anysize" in frame.filename]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed((own or frames)[-3:]))


if __name__ == "__main__":
    main()
