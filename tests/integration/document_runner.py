"""Runs the code blocks of one Markdown file in the current folder; see test_docs_examples.

A block runs unless the line above its fence is ``<!-- not run: REASON -->``.

- ``console``: each line that starts with ``$ `` is a command (a backslash continues it); the
  lines below it are what it must print on standard output, compared as doctest does with
  ELLIPSIS and NORMALIZE_WHITESPACE. No lines: any output will do.
- ``python``: run in one namespace a file. A ``text`` block directly below it is what it must print.
- any other block below ``<!-- file: NAME -->`` is written to that file.

Commands that are a plain call of ``anysize`` run in this process, which spares each of them the
import of torch; commands with pipes and redirections go through bash. Both find packages in the
folder ``encoder`` first, if it is there.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (not run|file): (.+?) -->\s*\Z")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block."""

    language: str
    text: str
    line: int
    mark: str = ""
    note: str = ""
    directly_after: bool = False


def blocks(markdown: str) -> Iterator[Block]:
    """Every fenced block that starts at the margin."""
    end = 0
    for match in FENCE.finditer(markdown):
        between = markdown[end : match.start()]
        mark = MARK.search(between)
        yield Block(
            language=match[1],
            text=match[2],
            line=markdown.count("\n", 0, match.start()) + 1,
            mark=mark[1] if mark else "",
            note=mark[2] if mark else "",
            directly_after=not between.strip(),
        )
        end = match.end()


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block and what it must print."""
    joined = text.replace("\\\n", " ")
    parts = re.split(r"^\$ ", joined, flags=re.MULTILINE)
    if parts[0].strip():
        raise SystemExit(f"a console block starts with output: {parts[0]!r}")
    for part in parts[1:]:
        command, _, expected = part.partition("\n")
        yield command.strip(), expected


def run_command(command: str) -> str:
    """Standard output of a command, which must succeed."""
    if command.startswith("anysize ") and not set("|<>;&`$") & set(command):
        return run_here(shlex.split(command))
    done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"$ {command}\nexit code {done.returncode}\n{done.stderr}")
    return done.stdout


def run_here(arguments: list[str]) -> str:
    """Standard output of an ``anysize`` command, run in this process."""
    from anysize.cli.main import run

    out, errors = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, arguments
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            run()
    except SystemExit as end:
        if end.code:
            raise AssertionError(
                f"$ {shlex.join(arguments)}\nexit code {end.code}\n{errors.getvalue()}"
            ) from None
    finally:
        sys.argv = before
    return out.getvalue()


def run_python(text: str, names: dict[str, Any]) -> str:
    """Standard output of a Python block."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "block", "exec", dont_inherit=True), names)
    return out.getvalue()


def compare(what: str, expected: str, found: str) -> None:
    """Raises where the output is not what the document says."""
    if expected.strip() and not doctest.OutputChecker().check_output(expected, found, FLAGS):
        raise AssertionError(f"{what}\nthe document says:\n{expected}\nit prints:\n{found}")


def run_document(path: Path) -> int:
    """Runs a file's blocks in order; returns how many ran."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found = list(blocks(path.read_text(encoding="utf-8")))
    ran = 0
    for index, block in enumerate(found):
        if block.mark == "not run":
            continue
        after = found[index + 1] if index + 1 < len(found) else None
        try:
            if block.mark == "file":
                Path(block.note).write_text(block.text, encoding="utf-8")
            elif block.language == "console":
                for command, expected in commands(block.text):
                    compare(f"$ {command}", expected, run_command(command))
            elif block.language == "python":
                says = after is not None and after.language == "text" and after.directly_after
                expected = after.text if says and after is not None else ""
                compare(block.text, expected, run_python(block.text, names))
            else:
                continue
        except Exception as error:
            error.add_note(f"in {path.name}, the block at line {block.line}")
            raise
        ran += 1
    return ran


if __name__ == "__main__":
    encoder = Path("encoder").resolve()
    if encoder.is_dir():
        sys.path.insert(0, str(encoder))
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(encoder), os.environ.get("PYTHONPATH")))
        )
    print(run_document(Path(sys.argv[1])))
