"""What a pass leaves to be said, and to whom: the values that the parts of the news have in common. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.model.announcement import Announcement, ChangeLine, Fault, Verdict, WriteBack
from bot.model.app import AppSpec
from bot.model.outcome import PassKind
from bot.model.plan import Action, Plan, Summary
from bot.model.record import AppMemory, Approval, HistoryEntry
from bot.model.source import Revision
from bot.plan.explain import change_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Web addresses for people; "" where the host is not known."""

    commit: str = ""
    compare: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A write-back of the configuration: `index` and `receiver` name it; the others say of what it hears.

    One that `judges` commits hears of no failure that is not a commit's fault: what it says of it stays as it is.
    """

    index: int
    receiver: str = ""
    repo: str = ""
    events: frozenset[str] = frozenset({"diff", "converged", "failed", "rolled-back"})
    envs: frozenset[str] = frozenset()
    judges: bool = False

    def hears(self, app: AppSpec, event: str, fault: Fault | None) -> bool:
        if self.judges and fault is not None and fault is not Fault.COMMIT:
            return False
        return event in self.events and self.repo in {"", app.repo} and (not self.envs or app.env in self.envs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What waits for people: verdicts on this plan and who asked for it, commits behind, whose thread hears of them.

    `newest` is the last of those commits, with its `links`: one that changes nothing of the app is none. `until` is
    when the pause ends, None for when somebody ends it.
    """

    verdicts: Sequence[Approval] = ()
    requesters: tuple[str, ...] = ()
    behind: int = 0
    newest: Revision | None = None
    links: Links = Links()
    thread: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    memory: AppMemory
    announcements: tuple[Announcement, ...] = ()
    writebacks: tuple[WriteBack, ...] = ()
    history: HistoryEntry | None = None


def write_backs(
    app: AppSpec,
    base: Announcement,
    commit: str,
    event: str,
    verdict: Verdict,
    description: str,
    targets: Sequence[Target],
    summary: Summary,
    digest: str = "",
    *,
    fault: Fault | None = None,
) -> tuple[WriteBack, ...]:
    return tuple(
        WriteBack(
            id=f"{base.operation}:{event}:{commit[:12]}:{target.index}:{hashlib.sha256(description.encode()).hexdigest()[:8]}",
            target=target.index,
            receiver=target.receiver,
            event=event,
            verdict=verdict,
            app=app.name,
            cluster=app.cluster,
            env=app.env,
            operation=base.operation,
            commit=commit,
            at=base.at,
            description=description,
            previous=base.previous,
            url=base.revision_url,
            summary=summary,
            digest=digest,
            fault=fault.value if fault is not None else "",
        )
        for target in targets
        if target.hears(app, event, fault)
    )


def failures(count: int) -> str:
    return {0: "an outage", 1: "1 failure"}.get(count, f"{count} failures")


def changed(plan: Plan, kind: PassKind) -> tuple[ChangeLine, ...]:
    """Return the changes of a plan. What an app lacks although it had converged was deleted by hand."""
    lines = change_lines(plan)
    if kind is not PassKind.DRIFT:
        return lines
    return tuple(replace(one, action="restore") if one.action == Action.CREATE.value else one for one in lines)
