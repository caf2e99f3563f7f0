"""What an engine must do: start a team of workers, and let them work as one.

A plug-in module of ``anysize.scale`` is an `Engine`: it has ``PROVIDES`` and ``launch``. It owns
how workers are started, how they find each other, what happens to one that dies, and how values
and sums travel between them. It knows nothing of models or data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Team(Protocol):
    """The workers of a run as one of them sees them, once all have joined.

    An implementation derives from this class and gives it ``add_up`` and ``gather``. Every worker
    calls them in the same order.

    Attributes:
        rank: which worker this is, from 0.
        size: how many workers there are.
        device: what this one computes on.
        beside: bytes of the processes beside the workers that count in the budget of all, such as
            one that has started them; 0 where there are none.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def beside(self) -> int:
        return 0

    @property
    def leads(self) -> bool:
        """Whether this worker writes files and talks to people."""
        return self.rank == 0

    def add_up(self, values: Tensor) -> None:
        """Sums over the workers, in place: afterwards all have the same, bit for bit."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """Every worker's value, by rank; small Python values only."""
        ...

    def from_leader(self, *values: float) -> tuple[float, ...]:
        """The leader's numbers, on every worker."""
        leaders: tuple[float, ...] = self.gather(values)[0]
        return leaders


class Member(Protocol):
    """A worker that an engine has started, before it meets the others.

    Attributes:
        rank: which worker it is, from 0; the first one leads.
        waited: seconds from the call of ``launch`` to this member's start, as far as the engine
            knows.
        attempt: how many members of this rank were there before; above 0 for a replacement, which
            goes on from the last checkpoint.
    """

    rank: int
    waited: float
    attempt: int

    def join(self) -> Team:
        """Waits for the others. The leader may have prepared for a long time before it comes."""
        ...


class Work(Protocol):
    """What each member does: a function of a module, named ``package.module:function``.

    It returns plain values (as of JSON); those of the leader are the answer.
    """

    def __call__(self, member: Member, request: Mapping[str, Any]) -> Any: ...


class Engine(Protocol):
    """A module of the room ``scale``.

    Where launching costs memory, it also has ``beside(workers) -> int``: the bytes that
    `Team.beside` would be, if the calling process launched them. Plans made without a launch count
    it.
    """

    def launch(self, work: str, request: Mapping[str, Any], *, workers: int) -> Any:
        """Starts the workers, waits for their end and returns what the leader's work returned.

        SIGINT and SIGTERM are passed on, and the workers get time to save. None of them outlives
        this call, nor the process that made it.

        Args:
            work: see `Work`; the same for every member.
            request: plain values (as of JSON) that each member's work is called with.
            workers: how many.

        Raises:
            AnysizeError: the error of the worker that failed first, of its own class.
            RunError: a worker ended without saying why.
            KeyboardInterrupt, SystemExit: stopped by SIGINT or SIGTERM before anything was worth
                saving.
        """
        ...
