"""A sync that people have said yes to, from its first write until nothing of it is left to be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.control import Trigger
from bot.model.plan import Action, Summary
from bot.model.resource import ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedChange:
    """One change of it. The digests are keyed: of what was agreed to, and of the object as it was and as Git wanted it.

    The last two are "" for none.
    """

    id: ResourceId
    action: Action
    digest: str
    before: str
    wanted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What was agreed to, by whom, and what the sync was for.

    `over` when a person has said no since, or sent the app elsewhere: what is left is asked about like any other plan.
    """

    plan_hash: str
    rendered: str  # digest of all that Git wanted
    changes: tuple[AgreedChange, ...]
    summary: Summary
    at: datetime  # when the pass began that was the first to write
    by: tuple[str, ...]  # who said yes
    trigger: Trigger
    over: bool = False
    commit: str = ""
    live: int = 0  # objects of it that were, when people were asked about the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """How far an agreed sync has got; `refused` when a person has said no to the rest of it."""

    agreed: Agreed
    live: int
    refused: bool = False

    @property
    def sentence(self) -> str:
        """`2 of 5 objects of 2692a4f, which U0BOB approved, are live`."""
        agreed, verb = self.agreed, "is" if self.live == 1 else "are"
        which = agreed.commit[:7] or "the sync"
        by = " and ".join(agreed.by)
        return f"{self.live} of {agreed.summary.total} objects of {which}, which {by} approved, {verb} live"
