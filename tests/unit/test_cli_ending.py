"""How commands end: one sentence, the right code, one JSON document, and never a traceback."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import typer

from anysize.cli import ending, main
from anysize.cli.declared_command import DeclaredCommand, flags
from anysize.core.errors import ConfigurationError, DataError, RunError


@pytest.mark.parametrize(
    ("error", "sentence", "code"),
    [
        (ConfigurationError("a is wrong"), "a is wrong", 2),
        (RunError("it broke"), "it broke", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (ending.Terminated(signal.SIGTERM), "stopped by SIGTERM", 143),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "a/b: No space left", 1),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device", 1),
        (ending.Reported("said already", 2), "said already", 2),
    ],
)
def test_each_error_has_a_sentence_and_a_code(
    error: BaseException, sentence: str, code: int
) -> None:
    found = ending.ending(error)
    assert found is not None
    assert found[0].startswith(sentence) and found[1] == code


def test_options_are_called_as_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["anysize", "predict", "m", "--source-lang=en", "--near", " "])
    problems = ["near must be a text, and it is empty", "source_lang and prefix must be left out"]
    problems += ["window near 5 is odd", "--near must not be empty"]
    message, code = ending.ending(ConfigurationError(problems)) or ("", 0)
    assert message.splitlines() == [
        "--near must be a text, and it is empty",
        "--source-lang and prefix must be left out",
        "window near 5 is odd",
        "--near must not be empty",
    ]
    assert code == 2


def test_advice_says_which_verbs_have_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    error = DataError("a.wav", "is damaged. --tolerant reads it up to there")
    for verb, more in (
        ("predict", ""),
        ("enroll", " (predict, evaluate and augment have --tolerant)"),
    ):
        monkeypatch.setattr("sys.argv", ["anysize", verb, "model"])
        assert ending.ending(error) == (f"{error}{more}", 2)
    wrong = ConfigurationError(["no class is left: --validation 0", "--seed must be a number"])
    assert (ending.ending(wrong) or ("", 0))[0].splitlines() == [
        "no class is left: --validation 0 (train and plan have --validation)",
        "--seed must be a number",
    ]


def test_the_options_that_are_advised_belong_to_the_verbs_that_are_named() -> None:
    arguments = {"train": ["text-classification"], "plan": ["text-classification"]}
    group: Any = typer.main.get_command(main.app)
    for flag, verbs in ending.VERBS.items():
        having = set()
        for verb, command in group.commands.items():
            context = command.context_class(command, info_name=verb)
            if isinstance(command, DeclaredCommand):
                shown, rest = command.declared_for(context, arguments.get(verb, []))
                known = {name for one in (*shown, *rest) for name in flags(one)}
            else:
                known = set()
            known |= {name for item in command.params for name in item.opts}
            having |= {verb} if flag in known else set()
        assert having == set(verbs), flag


def test_a_fault_of_the_program_is_not_hidden() -> None:
    assert ending.ending(ZeroDivisionError()) is None


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(OSError, match="No such file") as caught:
        Path("a").absolute()
    found = ending.ending(caught.value)
    with pytest.raises(ConfigurationError, match="change to another folder"):
        ending.refuse_nowhere()
    monkeypatch.chdir(tmp_path)
    ending.refuse_nowhere()
    assert found == (ending.GONE, 1)


@pytest.mark.parametrize("received", [0, int(signal.SIGTERM)])
def test_signals_leave_a_document(
    received: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "app", lambda **_: 130)  # what Typer makes of the exception
    for name in ("prepare_streams", "end_on_signals"):
        monkeypatch.setattr(main, name, lambda: None)
    monkeypatch.setattr(ending, "received", [received] if received else [])
    monkeypatch.setattr("sys.argv", ["anysize", "plan", "--json"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    code = 128 + received if received else 130
    assert ended.value.code == code
    assert json.loads(capsys.readouterr().out)["exit_code"] == code


def test_streams_take_any_character_and_stay_json(tmp_path: Path) -> None:
    from anysize.core.files import ESCAPED

    name = os.fsdecode(b"\xff") + "é中😀"
    line = json.dumps({"id": name}, ensure_ascii=False).encode("ascii", ESCAPED)
    assert json.loads(line)["id"] == name
