"""Flags of a command: all that it does not know are named at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand

from anysize.cli.ending import which_have
from anysize.core.errors import ConfigurationError


class Command(TyperCommand):
    """A command that looks at all its flags before it reads any."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments.

        Raises:
            ConfigurationError: flags that the command does not have, all of them.
        """
        self.refuse_unknown(ctx, args)
        return super().parse_args(ctx, args)

    def refuse_unknown(self, ctx: Any, args: Sequence[str]) -> None:
        """Raises a ``ConfigurationError`` where there are flags that the command does not have."""
        parameters: list[Any] = self.get_params(ctx)
        # Of each flag, whether the next word is its value.
        valued = {
            flag: not (item.is_flag or item.count)
            for item in parameters
            if item.param_type_name == "option"
            for flag in (*item.opts, *item.secondary_opts)
        }
        problems = []
        words = iter(args)
        for word in words:
            if word == "--":
                break
            flag, equals, _ = word.partition("=")
            if flag in valued:
                if valued[flag] and not equals:
                    next(words, None)
            elif flag.startswith("--"):
                # By their names: the dashes that all begin with make none of them alike.
                names = [each[2:] for each in valued if each.startswith("--") and each != "--help"]
                near = difflib.get_close_matches(flag[2:], sorted(names), n=1)
                hint = f"; did you mean --{near[0]}?" if near else ""
                elsewhere = which_have(flag)
                hint = f": {elsewhere}" if elsewhere else hint
                problems.append(f"anysize {ctx.info_name} has no option {flag}{hint}")
        if problems:
            raise ConfigurationError(problems)
