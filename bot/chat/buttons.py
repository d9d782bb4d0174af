"""The buttons below a message: what may be done next about this news. Pure.

A button carries the app's key and the operation it belongs to, so that one of an operation that is over is told from
one of a live operation. Its label for screen readers names the app.
"""

from __future__ import annotations

from collections.abc import Iterator

from bot.chat import folded, kit
from bot.chat.kit import Block
from bot.model.announcement import Announcement, News
from bot.model.marks import field_digest


def buttons(news: Announcement) -> Iterator[Block]:
    """Yield the buttons of one announcement's message; one in a thread has none."""
    if news.in_thread:
        return
    if news.apps:
        yield from _resume_all(news)
        yield from folded.menu(news)
        yield from _acknowledge(news, {"alias": news.alias}, news.app)
        return
    key, name = f"{news.cluster}/{news.app}", f"{news.app} in {news.cluster}"
    value = {"app": key, "op": news.operation}
    diff = kit.button("gitops.diff", "View full diff", value, says=f"View full diff of {name}")
    pause = kit.button(
        "gitops.pause",
        "Pause",
        value,
        says=f"Pause {name}",
        asks="Automatic syncs stop for everyone until someone resumes.",
    )
    moved = bool(news.previous and news.revision and news.previous != news.revision.commit)
    back = kit.button(
        "gitops.rollback",
        f"Roll back to {news.previous[:7]}",
        {**value, "commit": news.previous, "at": news.revision.commit if news.revision else ""},
        style="danger",
        says=f"Roll back to {news.previous[:7]}: {name}",
    )
    match news.news:
        case News.DIFF | News.SYNCING:
            yield from (diff, pause)
        case News.CONVERGED if moved:
            yield back
        case News.FAILED | News.DEGRADED:
            yield kit.button("gitops.sync", "Retry now", value, style="primary", says=f"Retry now: sync {name}")
            if moved and not news.outage:
                yield back
            yield from _acknowledge(news, {**value, "alias": news.alias}, name)
            yield pause
        case News.REFUSED | News.APPROVAL:
            yield from (*_verdicts(news, value, name), diff)
        case News.REJECTED | News.EXPIRED:
            yield kit.button("gitops.sync", "Ask again", value, says=f"Ask again for approval of {name}")
            yield diff
        case News.FIGHT:
            yield from _acknowledge(news, {**value, "alias": news.alias}, name)
            yield pause
        case News.WAITING:  # for its window: what waits for people is said in their thread
            yield diff
        case News.DRIFT | News.PROPOSED:
            if news.changes:
                yield from _choices(news, value, name)
            elif news.next_step:  # all of it is decided, and may be undone still
                yield _revert(value, name)
            yield diff
        case News.PAUSED | News.ROLLED_BACK if news.holds:
            yield kit.button(
                "gitops.resume",
                "Resume",
                value,
                style="primary",
                says=f"Resume {name}",
                asks=f"The next sync applies the newest commit of {news.ref or 'the branch'} again.",
            )
            would = {**value, "commit": news.ref}  # a plan of a pinned app is that of the pin
            yield kit.button(
                "gitops.diff", "What would change", would, says=f"What would change when {name} is resumed"
            )
        case _:
            pass


def _resume_all(news: Announcement) -> Iterator[Block]:
    """Yield the button that ends what one order has paused, and no other pause."""
    if news.holds:
        yield kit.button(
            "gitops.resume_all",
            "Resume all",
            {"order": news.operation.partition("@")[0]},
            style="primary",
            says=f"Resume all: {news.app} in {news.cluster}",
            asks="What this order has paused follows Git again, in every channel. Pauses of other orders stay.",
        )


def _acknowledge(news: Announcement, value: dict[str, str], name: str) -> Iterator[Block]:
    """Yield the button that tells the on-call service that somebody has it; gone when somebody has."""
    if news.alias and not news.acknowledged_by:
        yield kit.button("gitops.acknowledge", "Acknowledge", value, says=f"Acknowledge the page of {name}")


def _revert(value: dict[str, str], name: str) -> Block:
    return kit.button("gitops.sync", "Revert now", value, style="primary", says=f"Revert now: make {name} equal to Git")


def _choices(news: Announcement, value: dict[str, str], name: str) -> Iterator[Block]:
    """Yield what may become of a drift: undone, kept in Git, or left alone from now on."""
    yield _revert(value, name)
    yield kit.button(
        "gitops.keep",
        "Keep it",
        value,
        says=f"Keep it: what was changed in {name}",
        asks="A branch with what the cluster has is pushed for review. Nothing changes before it is merged.",
    )
    fields = [(change.object, path) for change in news.changes for path in change.paths]
    if len(fields) == 1:
        yield kit.button(
            "gitops.ignore",
            "Ignore this field",
            {**value, "field": field_digest(*fields[0])},
            says=f"Ignore this field: {fields[0][1]} of {name}",
            asks="A branch that tells Git to leave this field alone is pushed for review.",
        )
    elif fields:
        options = [kit.option(path, f"{value['app']}#{field_digest(one, path)}", one) for one, path in fields]
        yield kit.menu("gitops.pick.ignore", "Ignore a field", options)


def _verdicts(news: Announcement, value: dict[str, str], name: str) -> Iterator[Block]:
    plan = {**value, "plan": news.plan_hash}
    counts = str(news.summary) if news.summary is not None else "the plan above"
    yield kit.button(
        "gitops.approve",
        "Approve",
        plan,
        style="primary",
        says=f"Approve this plan of {name}",
        asks=f"Exactly this plan is applied: {counts}.",
    )
    yield kit.button(
        "gitops.reject", "Reject", plan, style="danger", says=f"Reject this plan of {name}", asks="Nothing is applied."
    )
