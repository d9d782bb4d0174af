"""Answers to one person: help, status, history, plans, pickers. Pure: values in, text and blocks out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final

import orjson

from bot.chat import kit
from bot.chat.kit import Block, cut, escape, many, person, when
from bot.chat.verbs import FREE, VERBS, deed, usage
from bot.model.app import AppSpec
from bot.model.attempt import Attempt
from bot.model.control import ControlState
from bot.model.outcome import HealthState
from bot.model.plan import Plan, PlanFailure
from bot.model.record import AuditEntry, HistoryEntry
from bot.model.source import Revision
from bot.model.status import AppStatus, Question, Settled, counts
from bot.plan.explain import plan_text

Answer = tuple[str, Sequence[Block]]
PAGE: Final = 20  # apps on a page of `status`
ROOM: Final = 11_000  # bytes of blocks that are filled; Slack refuses messages from about 13,200 on
_NAMED: Final = 10  # apps in the sentence of a status
_SUBJECT: Final = 60
_REASON: Final = 120
_ERROR: Final = 300
_CODE: Final = 2_800
_APPS: Final = (
    "is an app, or words that choose all apps of which they are true at that moment: `cluster:prod-eu`, `env:staging`, "
    "`team:payments`, `state:failing`, `app:shop`, several of them, or `all`. What would change many is asked first."
)


def help_text(allowed: frozenset[str]) -> Answer:
    """Return the help with what this person may do here."""
    lines = [f"`{usage(verb)}`  {one.what}" for verb, one in VERBS.items() if verb in allowed | FREE]
    text = "*gitops-bot* keeps clusters equal to Git. Here you may type:\n" + "\n".join(lines)
    words = ", ".join(verb for verb in VERBS if verb in allowed)
    said = f"Here you may: {words}." if words else "Here you may ask for help and whoami; no rule allows you more."
    some = [verb for verb, one in VERBS.items() if one.many and verb in allowed]
    choosing = [kit.section(f"`&lt;apps&gt;` {_APPS}")] if some else []
    return f"gitops-bot keeps clusters equal to Git. {said}", (kit.section(text), *choosing)


def whoami(user: str, identities: frozenset[str], rights: Mapping[str, Sequence[str]]) -> Answer:
    """Return who somebody is and what they may do; `rights` has a line of verbs and rules for titles of apps."""
    known = ", ".join(sorted(one for one in identities if one != user))
    head = f"You are {person(user)}" + (f" ({escape(known)})" if known else "") + "."
    lines = [f"*{escape(titles)}*\n" + "\n".join(f"• {one}" for one in found) for titles, found in rights.items()]
    text = "\n".join(lines) or "There is no app in the configuration."
    return f"{head} Rules decide in order, the first that matches.", (
        kit.section(f"{head} Here you may:"),
        kit.section(text),
    )


def status(lines: Sequence[AppStatus], *, page: int = 0, words: str = "") -> Answer:
    """Return one block per app, the troubled ones first, a page at a time; `words` chose them."""
    if not lines and words:
        return f"No app is like that: {escape(words)}.", ()
    ordered = sorted(lines, key=lambda one: (one.rank, one.app, one.cluster))
    head = counts(lines)
    begin = page * PAGE
    shown = ordered[begin : begin + PAGE]
    blocks = [kit.section(f"*{head}*"), *map(status_block, shown)]
    if len(ordered) > len(shown):
        blocks.append(kit.context([f"apps {begin + 1} to {begin + len(shown)} of {len(ordered)}, trouble first"]))
        turns = [("Previous", page - 1), ("Next", page + 1)]
        there = [(word, to) for word, to in turns if 0 <= to * PAGE < len(ordered)]
        blocks += kit.actions(
            [
                kit.button(f"gitops.page.{to}", word, {"page": str(to), "words": words}, says=f"{word} page of apps")
                for word, to in there
            ]
        )
    if len(lines) == 1:  # a screen reader and a notification have nothing but the text
        first, *more = _status_lines(lines[0])
        return ". ".join([first.replace("*", "").replace("`", ""), *more]), tuple(blocks)
    told = [f"{one.app} / {one.cluster} {', '.join(one.words)}" for one in ordered if one.words != ("synced",)]
    rest = f", and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return f"{head} {'; '.join(told[:_NAMED])}{rest}".strip(), tuple(blocks)


def status_block(one: AppStatus, *, accessory: Block | None = None) -> Block:
    """Return an app as a section of bounded size, so that a page of them always fits."""
    lines = list(_status_lines(one))
    block = kit.section("\n".join(lines))
    while len(lines) > 1 and kit.weight(block) > ROOM // PAGE:
        del lines[-1]
        block = kit.section("\n".join(lines))
    return {**block, "accessory": accessory} if accessory else block


def _status_lines(one: AppStatus) -> Iterator[str]:
    at = stands_at(one)
    text = f"*{escape(one.app)} / {escape(one.cluster)}*  {', '.join(one.words)}{at and f' {at}'}{_health(one)}"
    if one.target_revision and one.target_revision not in {one.revision, one.failing_commit}:
        text += f", `{one.target_revision[:7]}` is in Git"
    yield text
    if one.progress:
        yield one.progress
    if one.control is not ControlState.RUNNING:
        until = f" until {when(one.control_until)}" if one.control_until else ""
        why = f": {escape(cut(one.control_reason, _REASON))}" if one.control_reason else ""
        yield f"{one.control.value} by {person(one.control_by)}{until}{why}"
    if one.pin is not None and one.control is ControlState.PAUSED:
        why = f": {escape(cut(one.pin.reason, _REASON))}" if one.pin.reason else ""
        yield f"and pinned at `{one.pin.commit[:7]}` by {person(one.pin.by)}{why}; `resume` ends both"
    if one.question is not None:
        yield _asked(one.question)
    if one.decided is not None:
        what = escape(cut(kit.one_line(one.decided.arguments), _ERROR))
        yield f"to {one.decided.verb}, proposed by {person(one.decided.who)} {when(one.decided.at)}: {what}"
    if one.mute is not None:
        yield f"muted by {person(one.mute.by)} until {when(one.mute.until)}"
    if one.last_error:
        often = f"{many(one.consecutive_failures, 'failure')} in a row: " if one.consecutive_failures > 1 else ""
        yield f"{often}{kit.spoken(cut(kit.one_line(one.last_error), _ERROR))}"
    if one.last_sync_at:
        yield f"last sync {when(one.last_sync_at)}"
    for host, since in one.unseen:
        yield f"new tags of {escape(host)} are not seen since {when(since)}"
    if one.images:
        yield f"follows {escape(cut(', '.join(one.images), _ERROR))}"


def stands_at(one: AppStatus) -> str:
    """Return which commit the cluster has, "" where none was ever applied; of one that fails how far it got."""
    good, bad = one.revision[:7], one.failing_commit[:7]
    if not one.is_failing or bad in {"", good}:
        return f"at `{good}`" if good else ""
    if one.is_begun:
        return f"at `{bad}`, written last" + (f", before it `{good}` was good" if good else "")
    return f"at `{good}`, `{bad}` was not applied" if good else ""


def _health(one: AppStatus) -> str:
    """Return how the objects are, after a comma; "" where nothing was ever looked at, or where it was said."""
    if one.unseen_since is None:
        said = one.health is HealthState.UNKNOWN or one.health.value in one.words
        return "" if said else f", {one.health.value}"
    before = f", {one.seen_health.value} before" if one.seen_health is not None else ""
    return f", health {one.health.value} since {when(one.unseen_since)}{before}"


def _asked(question: Question) -> str:
    """Return what waits for people, and whether they may still decide."""
    marked = replace(
        question,
        plan_hash=f"`{question.plan_hash[:19]}`",
        given=tuple(map(person, question.given)),
        over=kit.spoken(question.over),
        reason=escape(cut(kit.one_line(question.reason), _REASON)),
        live=kit.spoken(question.live),
    )
    return marked.told(until=when(question.until))


def history(title: str, shown: Sequence[Attempt], commits: Mapping[str, Revision]) -> Answer:
    """Return what was deployed; `commits` has the subjects and authors that Git knows."""
    if not shown:
        return f"{escape(title)}: nothing was deployed yet.", ()
    lines = [f"`{one.newest.revision[:7]}`{_told(one, commits.get(one.newest.revision))}" for one in shown]
    text = "; ".join(line.replace("`", "") for line in lines)
    blocks = [kit.section(f"*{escape(title)}*, newest first"), *_sections(lines)]
    return f"{escape(title)}, newest first: {text}", tuple(blocks)


def histories(found: Sequence[tuple[AppSpec, Sequence[Attempt]]], commits: Mapping[str, Revision]) -> Answer:
    """Return what was deployed of apps, as `history` does for one; of those without room how to see them."""
    told = [
        (app, f"*{escape(app.title)}* `{one.newest.revision[:7]}`{_told(one, commits.get(one.newest.revision))}")
        for app, shown in found
        for one in shown
    ]
    if not told:
        return f"{escape(', '.join(app.title for app, _ in found))}: nothing was deployed yet.", ()
    fits = _fitting([line for _, line in told])
    lines = [line for _, line in told[:fits]]
    left = [app for app, _ in told[fits:]]
    blocks = _sections(lines)
    if left:
        count = many(len({app.key for app in left}), "app")
        key, name = escape(left[0].key), escape(left[0].name)
        lines.append(
            f"{count} more: `/gitops history {key}` shows one, `gitops-bot history {name}` in a terminal all of them"
        )
        blocks.append(kit.context(lines[-1:]))
    return "; ".join(line.replace("`", "").replace("*", "") for line in lines), tuple(blocks)


def _told(one: Attempt, revision: Revision | None) -> str:
    """Return what a commit was, what became of it, when and by whom."""
    entry, blamed = one.newest, revision.blamed if revision is not None else None
    at = f" (commit {blamed.short})" if blamed is not None and blamed.commit != entry.revision else ""
    subject = f" {escape(cut(blamed.subject, _SUBJECT))}{at}" if blamed is not None else ""
    author = f" by {escape(cut(blamed.author, _SUBJECT))}" if blamed is not None and blamed.author else ""
    by = person(entry.by) if entry.by else entry.via.value
    again = f" {one.count} times from {when(one.first)} to" if one.count > 1 else ""
    ended = f"{again or ','} {when(entry.finished_at)}"
    return f"{subject}{author}: {entry.kind.value} {entry.result.value}{ended}, {entry.did}, by {by}{_approved(entry)}"


def _approved(one: HistoryEntry) -> str:
    return f", approved by {', '.join(map(person, one.approved_by))}" if one.approved_by else ""


def audit(title: str, entries: Sequence[AuditEntry]) -> Answer:
    if not entries:
        return f"{title}: nobody ordered anything yet.", ()
    lines = [_audit_line(one) for one in entries]
    blocks = [kit.section(f"*{escape(title)}*, newest first"), *_sections(lines)]
    return f"{title}: {many(len(entries), 'line')} of the audit, newest first.", tuple(blocks)


def _audit_line(one: AuditEntry) -> str:
    detail = kit.one_line(one.detail)
    more = f", {kit.spoken(cut(detail, _REASON))}" if detail else ""
    who = f"{person(one.who)} ({one.via.value})"
    return f"{when(one.at)} {who} *{escape(one.verb)}* {escape(one.app)}: {one.decision.value}{more}"


def listing(title: str, lines: Sequence[str]) -> Answer:
    """Return lines of plain text under a title."""
    return f"{title}: " + "; ".join(kit.spoken(kit.one_line(line)) for line in lines), (
        kit.section(f"*{escape(title)}*\n" + "\n".join(f"• {kit.spoken(line)}" for line in lines)),
    )


def plan(found: Plan | PlanFailure) -> Answer:
    return kit.escape(plan_text(found).splitlines()[0]), plan_blocks(found)


def rollback_preview(app: AppSpec, found: Plan | PlanFailure, reason: str) -> Answer:
    """Return what would change back, with Confirm and Cancel, for its author only."""
    if isinstance(found, PlanFailure):
        return plan(found)
    blamed = found.revision.blamed
    at = f", at {found.revision.short}" if found.revision.cause else ""
    title = escape(f"Roll back {app.title} to {blamed.short} ({blamed.subject}{at})? {found.summary}.")
    value = {
        "app": app.key,
        "commit": found.revision.commit,
        "plan": found.hash,
        "reason": cut(reason, _REASON),
    }
    buttons = kit.actions(
        [
            kit.button(
                "gitops.rollback_go",
                "Confirm",
                value,
                style="danger",
                says=f"Confirm: roll {app.title} back to {found.revision.short}",
            ),
            kit.button("gitops.cancel", "Cancel", {"app": app.key}, says="Cancel: change nothing"),
        ]
    )
    return title, (kit.section(title), *plan_blocks(found), *buttons)


def app_picker(verb: str, apps: Sequence[AppSpec]) -> Answer:
    """Ask which app is meant: a menu of them, or one that searches where there are more than a menu holds."""
    question = f"{deed(verb, 'which app').capitalize()}?"
    action = f"gitops.pick.{verb}"
    if len(apps) > kit.OPTIONS_LIMIT:
        element = kit.search_menu(action, "Type the beginning of a name")
    else:
        element = kit.menu(action, "Choose an app", [app_option(app) for app in apps])
    names = ", ".join(app.key for app in apps[:20])
    return f"{question} `{usage(verb)}` with one of: {names}", (kit.section(question), *kit.actions([element]))


def app_option(app: AppSpec) -> Block:
    return kit.option(app.title, app.key, app.env)


def commit_asked(app: AppSpec, at: str) -> Answer:
    """Ask for a commit where no modal can be opened: a button opens one."""
    text = f"Roll back {app.title} to which commit?"
    button = kit.button(
        "gitops.rollback_pick", "Choose a commit", {"app": app.key, "at": at}, says=f"Choose a commit for {app.title}"
    )
    return f"{text} `{usage('rollback')}`", (kit.section(escape(text)), *kit.actions([button]))


def already(settled: Settled, hint: str) -> Answer:
    """Say that a button is too late."""
    at = kit.spoken(f"at {settled.at:%Y-%m-%d %H:%M} UTC")
    text = f"Already done by {person(settled.by)} {at}: {escape(settled.what)}."
    return f"{text} {hint}".strip(), ()


def settled_by(entry: AuditEntry, what: str) -> Settled:
    """Return an order of the audit as something that is over."""
    return Settled(by=entry.who, at=entry.at, what=what)


def plan_blocks(found: Plan | PlanFailure) -> tuple[Block, ...]:
    """Return a plan as code, and who changed by hand what it changes."""
    text = plan_text(found, hands=False)
    rest = "\nThe terminal shows all of it: `gitops-bot plan`" if len(text) > _CODE else ""
    changes = found.changes if isinstance(found, Plan) else ()
    hands = kit.hands((str(one.id), one.hands) for one in changes)
    return (kit.section(f"{kit.code(text, _CODE)}{rest}"), *hands)


def _fitting(lines: Sequence[str]) -> int:
    """Return how many lines have room in a message."""
    return bisect_right(list(accumulate(len(orjson.dumps(line)) for line in lines)), ROOM)


def _sections(lines: Sequence[str]) -> list[Block]:
    """Return lines packed into sections."""
    texts = [""]
    for line in lines:
        if len(texts[-1]) + len(line) >= kit.TEXT_LIMIT:
            texts.append("")
        texts[-1] = f"{texts[-1]}\n{line}".strip()
    return [kit.section(text) for text in texts]
