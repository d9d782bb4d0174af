"""Where the refs that apps follow point to on the remote.

In go refs, checked before git sees them; out come commits that are here. The surprising part: an answer of the remote,
good or bad, is shared by everybody whose pass began before the question was asked, so that hundreds of apps of a
hanging repository wait for one timeout, not for hundreds in a row. One question covers every ref anybody ever asked
for; the same answer as before reads nothing from our disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches

from bot.errors import RefNotFound, RepositoryEmpty, RepositoryUnreachable, SourceError
from bot.model.source import GitRef, RefKind
from bot.model.versions import highest
from bot.source.mirror import Mirror
from bot.source.spec import ref_fault

_HEADS = "refs/heads/"
_TAGS = "refs/tags/"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the remote said at `asked_at`: a commit per ref, or the error that everybody gets."""

    asked_at: datetime
    tips: Mapping[GitRef, str | SourceError] = field(default_factory=dict)


class Heads:
    """The refs of one repository. Safe to use from several threads."""

    def __init__(self, mirror: Mirror, *, clock: Callable[[], datetime]) -> None:
        self._mirror = mirror
        self._clock = clock
        self._asking = threading.Lock()
        self._refs: set[GitRef] = set()  # guarded by _asking, like what follows
        self._answer: _Answer | None = None
        self._latest: dict[GitRef, str] = {}
        self._names: dict[GitRef, str] = {}  # where on the remote each was found

    def tip(self, ref: GitRef, *, newer_than: datetime) -> str:
        """Return the commit `ref` points to on the remote; it is here when this returns.

        An answer to a question asked at `newer_than` or later is shared, an error as well.
        """
        if fault := ref_fault(ref):
            raise self._not_found(fault)
        if ref.kind is RefKind.COMMIT:
            return ref.name
        with self._asking:
            answer = self._answer
            if answer is None or answer.asked_at < newer_than or ref not in answer.tips:
                self._refs.add(ref)
                answer = self._answer = self._ask()
        found = answer.tips[ref]
        if isinstance(found, SourceError):
            # A fresh one for each caller: raising one object in several threads mixes their tracebacks.
            raise type(found)(str(found), repo=self._mirror.spec.name) from found
        return found

    def forget(self) -> None:
        """Share no answer of before now: we have pushed ourselves."""
        with self._asking:
            self._answer = None

    def tag(self, ref: GitRef) -> str:
        """Return the tag (`refs/tags/…`) that `tip` was found by last, "" for anything else."""
        name = self._names.get(ref, "")
        return name if name.startswith(_TAGS) else ""

    def known(self, ref: GitRef) -> str:
        """Return where `ref` pointed when we last heard, "" for a branch we never saw; asks only for a tag not seen."""
        if ref.kind is RefKind.BRANCH:
            return self._mirror.branches().get(ref.name, "")
        with self._asking:
            latest = self._latest.get(ref, "")
        return latest or self.tip(ref, newer_than=self._clock())

    def _ask(self) -> _Answer:
        asked_at = self._clock()
        try:
            tips = self._mirror.healed(self._tips)
        except SourceError as error:
            return _Answer(asked_at=asked_at, tips=dict.fromkeys(self._refs, error))
        self._latest |= {ref: found for ref, found in tips.items() if isinstance(found, str)}
        return _Answer(asked_at=asked_at, tips=tips)

    def _tips(self) -> dict[GitRef, str | SourceError]:
        """Ask for the tips, fetch what is not here, and say what is wrong with each ref that is missing."""
        wanted = sorted(self._refs, key=lambda ref: (ref.kind.value, ref.name, ref.prefix))
        found = self._chosen(wanted)
        if any(self._is_new(ref, commit) for ref, (_, commit) in found.items()):
            self._mirror.fetch(tags=[name for name, _ in found.values() if name.startswith(_TAGS)])
            missing = [ref for ref, (_, commit) in found.items() if not self._mirror.has(commit)]
            if missing:  # pushed again, with force, since we asked
                found |= self._chosen(missing)
        absent = [ref for ref in wanted if ref not in found]
        tips: dict[GitRef, str | SourceError] = dict(self._excuses(absent)) if absent else {}
        for ref, (name, commit) in found.items():
            self._names[ref] = name
            tips[ref] = commit if not self._is_new(ref, commit) else self._undelivered(ref, commit)
        return tips

    def _is_new(self, ref: GitRef, commit: str) -> bool:
        """Say whether a commit is not here; a tip that did not move was here last time and is not looked for."""
        return self._latest.get(ref) != commit and not self._mirror.has(commit)

    def _chosen(self, wanted: Sequence[GitRef]) -> dict[GitRef, tuple[str, str]]:
        """Ask once and return the name on the remote and the commit of each ref that is there."""
        listed = self._mirror.ask(sorted({_pattern(ref) for ref in wanted}))
        names = {ref: _name(ref, listed) for ref in wanted}
        return {ref: (name, listed[name]) for ref, name in names.items() if name in listed}

    def _excuses(self, absent: Sequence[GitRef]) -> dict[GitRef, SourceError]:
        where = f"repository {self._mirror.spec.name} ({self._mirror.spec.address})"
        if self._mirror.is_empty():
            empty = RepositoryEmpty(f"{where}: has no commit yet; push one to {absent[0]}", repo=self._mirror.spec.name)
            return dict.fromkeys(absent, empty)
        there = self._mirror.ask([f"{_HEADS}*", f"{_TAGS}*"])
        return {ref: self._not_found(f"{where}: {_excuse(ref, there)}") for ref in absent}

    def _undelivered(self, ref: GitRef, commit: str) -> SourceError:
        spec = self._mirror.spec
        return RepositoryUnreachable(
            f"repository {spec.name} ({spec.address}): says that {ref} is at {commit[:7]} but does not deliver that "
            "commit yet; tried again by itself",
            repo=spec.name,
        )

    def _not_found(self, message: str) -> RefNotFound:
        name = self._mirror.spec.name
        return RefNotFound(message if message.startswith("repository ") else f"repository {name}: {message}", repo=name)


def _pattern(ref: GitRef) -> str:
    match ref.kind:
        case RefKind.BRANCH:
            return f"{_HEADS}{ref.name}"
        case RefKind.SEMVER:
            return f"{_TAGS}{ref.prefix}*"
        case _:
            return f"{_TAGS}{ref.name}"


def _name(ref: GitRef, listed: Iterable[str]) -> str:
    if ref.kind is not RefKind.SEMVER:
        return _pattern(ref)
    tags = (name.removeprefix(_TAGS) for name in listed if name.startswith(_TAGS))
    return f"{_TAGS}{highest(tags, ref.name, prefix=ref.prefix)}"


def _excuse(ref: GitRef, there: Iterable[str]) -> str:
    if ref.kind is RefKind.SEMVER:
        tags = [name.removeprefix(_TAGS) for name in there if name.startswith(f"{_TAGS}{ref.prefix}")]
        newest = highest(tags, ">=0.0.0-0 || *", prefix=ref.prefix)
        known = f"; the newest of {len(tags)} is {newest}" if newest else "; it has no tag that is a version"
        return f"has no tag in the range {ref}{known}"
    start = _HEADS if ref.kind is RefKind.BRANCH else _TAGS
    names = [name.removeprefix(start) for name in there if name.startswith(start)]
    near = get_close_matches(ref.name, names, n=1)
    hint = f", did you mean {near[0]}?" if near else "; push it, or name another in the configuration"
    return f"has no {ref.kind.value} {ref.name}{hint}"
