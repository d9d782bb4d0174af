"""Drift as a choice: what people changed on the cluster becomes a change proposed to Git, or a field that is ignored.

Nothing is changed on the cluster, and nothing on the branch that apps follow: the edit is on a branch of its own, and
people merge it. Asking twice for the same gives the same branch and the same pull request. Where the app moved on in
Git since it was deployed, the hand edit is told from the newer commits by the commit that was deployed last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from bot.errors import DeliveryFailed, OrderRefused
from bot.model import marks
from bot.model.announcement import Announcement, ChangeLine, News
from bot.model.app import AppSpec, Render
from bot.model.fields import ABSENT
from bot.model.outcome import PassKind
from bot.model.plan import Plan
from bot.model.record import AppMemory
from bot.model.resource import Body, Origin, ResourceId
from bot.model.source import RefKind, Revision
from bot.plan import keeping
from bot.plan.keeping import Field, Kept, Left
from bot.ports.source import ProposalHosts, Repository
from bot.reconcile.notify import telling
from bot.reconcile.orders import commands
from bot.reconcile.planning.plans import plan_at
from bot.reconcile.planning.world import World
from bot.render import CommitFiles, editing
from bot.render.documents import read_bytes
from bot.render.objects import entries

_SUBJECT: Final = 72  # characters, as people write the first line of a commit
_HANDS: Final = 2  # named with a proposal
_DIGITS: Final = 8  # of the digest in a branch's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was proposed: the branch, its address for people, what it changes, and what it leaves to them."""

    branch: str
    url: str
    changes: tuple[str, ...]
    left: tuple[str, ...]
    hands: tuple[str, ...] = ()  # who had changed it on the cluster, and when
    rest: tuple[ChangeLine, ...] = ()  # what differs besides: it is not decided by this
    note: str = ""  # why there is no pull request although a token is configured

    @property
    def text(self) -> str:
        where = f"{self.url} (branch {self.branch})" if self.url else f"branch {self.branch}"
        rest = f" Not in it: {'; '.join(self.left)}." if self.left else ""
        note = f" {self.note}." if self.note else ""
        by = f" (changed by {', '.join(self.hands)})" if self.hands else ""
        return f"{'; '.join(self.changes)}{by}. Review and merge it: {where}.{rest}{note}"


class Keeping:
    """Proposes changes of one configuration's apps. Safe to use from several threads."""

    def __init__(self, world: World, hosts: ProposalHosts) -> None:
        self._world, self._hosts = world, hosts

    def keep(self, app: AppSpec, memory: AppMemory, *, person: commands.Person, name: str, reason: str) -> Proposal:
        """Propose to write what people changed into Git. Raises `OrderRefused` with what to do instead."""
        found = self._look(app, memory)
        made = list(keeping.kept(found.fields, found.written, found.live))
        left = (*found.left, *(one.why for one in made if isinstance(one, Left)))
        edits = [one for one in made if isinstance(one, Kept)]
        if not edits:
            raise OrderRefused("; ".join(left) or f"{app.title} does not differ from Git: there is nothing to keep")
        return self._propose(app, found, edits, verb="keep", left=left, person=person, name=name, reason=reason)

    def ignore(
        self, app: AppSpec, memory: AppMemory, wanted: str, *, person: commands.Person, name: str, reason: str
    ) -> Proposal:
        """Propose to leave one field alone from now on. Raises `OrderRefused` with what to do instead.

        `wanted` is the field's title, path, JSON pointer or digest; "" means the only one that differs.
        """
        found = self._look(app, memory)
        field = self._meant(app, found, wanted)
        made = keeping.ignored(field, found.written, found.live)
        if isinstance(made, Left):
            raise OrderRefused(made.why)
        return self._propose(app, found, [made], verb="ignore", left=(), person=person, name=name, reason=reason)

    # --- what differs -----------------------------------------------------------------------------------------

    def _look(self, app: AppSpec, memory: AppMemory) -> _Found:
        """Return the hand edits, and the objects as their files at the branch's head have them."""
        if app.ref.kind is not RefKind.BRANCH:
            raise OrderRefused(f"{app.title} follows {app.ref}, which is no branch: nothing can be merged into it")
        repo, now = self._world.repos[app.repo], self._world.clock()
        head = repo.head(app.ref, newer_than=now)
        deployed = memory.revision or head
        plan = self._plan(app, repo.revision(deployed), memory)
        latest = plan if head == deployed else self._plan(app, repo.revision(head), memory)
        at = {change.id: change.origin for change in latest.changes if change.origin is not None}
        refs = [change.ref for change in plan.writes if change.uid]
        live = self._world.clusters[app.cluster].read(refs)
        files = CommitFiles(repo, head)
        fields: list[Field] = []
        left: list[str] = []
        written: dict[ResourceId, Body] = {}
        tool = self._world.renderer.tool(app, files)
        for one in keeping.fields_of(plan):
            if isinstance(one, Left):
                left.append(one.why)
            elif one.id not in at:
                left.append(f"{one.title} is no longer in Git at {head[:7]}")
            elif tool is not Render.YAML:
                left.append(_rendered(replace(one, origin=at[one.id]), tool, plan, live))
            else:
                fields.append(replace(one, origin=at[one.id]))
        for origin in {one.origin for one in fields}:
            written |= {one.id: _written(repo, head, origin) for one in fields if one.origin == origin}
        lines = telling.changed(plan, PassKind.DRIFT)
        return _Found(head=head, lines=lines, fields=tuple(fields), left=tuple(left), written=written, live=live)

    def _plan(self, app: AppSpec, revision: Revision, memory: AppMemory) -> Plan:
        now = self._world.clock()
        deployed = memory.digest
        return plan_at(app, revision, ref=str(app.ref), world=self._world, deployed=deployed, now=now).plan

    def _meant(self, app: AppSpec, found: _Found, wanted: str) -> Field:
        fits = [one for one in found.fields if not wanted or wanted in _names(one, found)]
        if len(fits) == 1:
            return fits[0]
        if not found.fields:
            nothing = f"{app.title} does not differ from Git: there is nothing to ignore"
            raise OrderRefused("; ".join(found.left) or nothing)
        choices = ", ".join(one.title for one in (fits or found.fields)[:10])
        which = f"{wanted} is no field that differs" if not fits else "several fields differ"
        raise OrderRefused(f"{which}: name one of {choices}")

    # --- the branch -------------------------------------------------------------------------------------------

    def _propose(
        self,
        app: AppSpec,
        found: _Found,
        edits: Sequence[Kept],
        *,
        verb: str,
        left: Sequence[str],
        person: commands.Person,
        name: str,
        reason: str,
    ) -> Proposal:
        repo = self._world.repos[app.repo]
        files = {path: _edited(repo, found.head, path, edits) for path in sorted({one.origin.path for one in edits})}
        branch = f"gitops-bot/{verb}/{app.name}-{_digest(app, edits)}"
        fields = [field for one in edits for field in one.fields]
        changes = tuple(f"{one.id} {one.text if verb == 'keep' else f'ignore {one.path}'}" for one in fields)
        message = _message(app, verb, fields, changes, person=person, name=name, reason=reason)
        repo.propose(found.head, files, branch=branch, message=message)
        url, note = self._hosts.link(app, app.ref.name, branch), ""
        if (host := self._hosts.apis.get(app.repo)) is not None:
            title, _, body = message.partition("\n")
            try:
                url = host.open(branch=branch, into=app.ref.name, title=title, body=body.strip())
            except DeliveryFailed as error:
                note = str(error)
        rest = tuple(_rest(found.lines, fields))
        objects = {str(field.id) for field in fields}
        hands = tuple(dict.fromkeys(hand for line in found.lines if line.object in objects for hand in line.hands))
        return Proposal(
            branch=branch, url=url, changes=changes, left=tuple(left), hands=hands[:_HANDS], rest=rest, note=note
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """`head` is the branch's commit, where files are edited; `written` are the objects as the files have them."""

    head: str
    lines: tuple[ChangeLine, ...]
    fields: tuple[Field, ...]
    left: tuple[str, ...]
    written: Mapping[ResourceId, Body]
    live: Mapping[ResourceId, Body]


def told(proposal: Proposal, *, base: Announcement, verb: str, reason: str) -> Announcement:
    """Return what the thread of the drift hears: what was decided, by whom, why, and about whose edit."""
    return replace(
        base,
        id=f"{base.operation}:{verb}:{proposal.branch}:{base.by}:{base.at.timestamp():.0f}",
        news=News.PROPOSED,
        in_thread=True,
        message=f"To {verb}: {proposal.text}",
        reason=reason,
    )


def chosen(proposal: Proposal, said: Announcement) -> Announcement:
    """Return what becomes of the message that asked: who chose what, and the choices that are left."""
    return replace(
        said,
        id=f"{said.id}:root",
        in_thread=False,
        changes=proposal.rest,
        message=f"{said.message} Not decided yet:" if proposal.rest else said.message,
        next_step=f"Merge it, or undo it after all: /gitops sync {said.app}",
    )


def _rest(lines: Sequence[ChangeLine], fields: Sequence[Field]) -> Iterator[ChangeLine]:
    """Yield what differs without these fields."""
    settled = {(str(field.id), field.path) for field in fields}
    for line in lines:
        kept = [one for one in zip(line.fields, line.paths, strict=True) if (line.object, one[1]) not in settled]
        if kept or not line.fields:
            yield replace(line, fields=tuple(text for text, _ in kept), paths=tuple(path for _, path in kept))


def _names(field: Field, found: _Found) -> set[str]:
    pointer = keeping.pointer_to(field, found.written.get(field.id), found.live.get(field.id))
    return {field.title, field.path, pointer, marks.field_digest(str(field.id), field.path)}


def _rendered(field: Field, tool: Render, plan: Plan, live: Mapping[ResourceId, Body]) -> str:
    """Return what to do about a field of an object that a tool makes of several files."""
    wanted = next((one.manifest.body for one in plan.changes if one.id == field.id and one.manifest), None)
    pointer = keeping.pointer_to(field, wanted, live.get(field.id))
    rule = f", or ignore it in the configuration: {keeping.rule(field, pointer)}" if pointer else ""
    where = f"{field.origin.path} or what it takes it from"
    return f"{field.id} is made by {tool.value}: change {field.text} in {where}{rule}"


def _written(repo: Repository, commit: str, origin: Origin) -> Body:
    """Return the object as its file has it, an empty one where that is no longer certain."""
    file = repo.file(commit, origin.path)
    found = [one for document in read_bytes(file.data).documents for one in entries(document)]
    body = next((one.value for one in found if one.line == origin.line), None)
    return body if isinstance(body, Mapping) and "sops" not in body and not file.is_link else {}


def _edited(repo: Repository, commit: str, path: str, edits: Sequence[Kept]) -> bytes:
    data = repo.file(commit, path).data
    changes = [
        editing.Edit(line=one.origin.line, parts=one.parts, value=one.value) for one in edits if one.origin.path == path
    ]
    try:
        return editing.edited_bytes(data, changes)
    except editing.EditRefused as error:
        raise OrderRefused(f"{path} is not edited by machine: {error}; change it by hand") from error


def _digest(app: AppSpec, edits: Sequence[Kept]) -> str:
    objects = [[str(field.id) for field in one.fields] for one in edits]
    values = [(one.origin.path, one.parts, [] if one.value is ABSENT else [one.value]) for one in edits]
    facts = [objects, values]
    return hashlib.sha256(app.key.encode() + orjson.dumps(facts)).hexdigest()[:_DIGITS]


def _message(
    app: AppSpec,
    verb: str,
    fields: Sequence[Field],
    changes: Sequence[str],
    *,
    person: commands.Person,
    name: str,
    reason: str,
) -> str:
    """Return the commit's message: what, by whom, why."""
    what = fields[0].title if len(fields) == 1 else f"{len(fields)} fields of {app.name}"
    subject = f"{'Keep' if verb == 'keep' else 'Ignore'} {what}"
    done = "what the cluster has" if verb == "keep" else f"a field that Git does not own ({marks.IGNORE})"
    lines = [
        subject if len(subject) <= _SUBJECT else f"{subject[: _SUBJECT - 1]}…",
        "",
        f"{app.title}: {done}, as {name or person.who} asked by way of {person.via.value}.",
        *([f"Reason: {reason}"] if reason else []),
        "",
        *(f"- {one}" for one in changes),
    ]
    return "\n".join(lines)
