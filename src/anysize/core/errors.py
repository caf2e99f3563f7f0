"""Every error that anysize raises on purpose.

::

    AnysizeError
    ├── UsageError                 the caller can put it right; exit code 2
    │   ├── ConfigurationError     one or several parameters are wrong
    │   ├── DataError              a file or a record cannot be used
    │   │   └── ColumnError        a table lacks a column that is needed
    │   ├── BundleError            a bundle or model folder cannot be used
    │   ├── MissingExtraError      an optional dependency is not installed
    │   └── BudgetError            the work does not fit the memory budget
    └── RunError                   the run itself failed; exit code 1

A message names the parameter or file, the rule, the value found, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class AnysizeError(Exception):
    """Root of the tree. ``exit_code`` is what the command line returns."""

    exit_code = 1


class UsageError(AnysizeError):
    """Something the caller can put right."""

    exit_code = 2


class ConfigurationError(UsageError):
    """One or several parameters break their rules; all of them are reported at once.

    Attributes:
        problems: one sentence a fault, each naming the parameter, the rule and the value.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        # Two rules may find the same fault.
        self.problems = [problems] if isinstance(problems, str) else [*dict.fromkeys(problems)]
        super().__init__("\n".join(self.problems))


class DataError(UsageError):
    """A file or record cannot be used.

    Attributes:
        origin: the file, with row or field where known.
    """

    def __init__(self, origin: str, problem: str) -> None:
        self.origin = origin
        self.problem = problem
        super().__init__(f"{origin}: {problem}")

    def __reduce__(self) -> tuple[type[DataError], tuple[str, str]]:
        return type(self), (self.origin, self.problem)


class ColumnError(DataError):
    """A table has no column for what is needed of it."""


class BundleError(DataError):
    """A bundle or model folder cannot be used."""


class MissingExtraError(UsageError):
    """An optional dependency is missing; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"this needs the package {package!r}, which is not installed: "
            f"pip install 'anysize[{extra}]'"
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.package, self.extra)


class BudgetError(UsageError):
    """The work does not fit the memory budget.

    Attributes:
        smallest: the smallest budget in bytes that would do.
    """

    def __init__(self, problem: str, smallest: int) -> None:
        self.problem = problem
        self.smallest = smallest
        super().__init__(problem)

    def __reduce__(self) -> tuple[type[BudgetError], tuple[str, int]]:
        return type(self), (self.problem, self.smallest)


class RunError(AnysizeError):
    """The run itself failed (a worker died, a loss became not-a-number, a disk filled)."""
