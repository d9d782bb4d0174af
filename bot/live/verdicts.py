"""Verdicts: "this desired object and this live object are equal", as the server last said. Pure but for its memory.

A verdict is two hashes: of what Git wants, and of the live object's projection. It holds while both are what they
were, whoever asks, in this process or a later one. It never says that anything differs: that is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from threading import Lock
from typing import Final, NamedTuple

import orjson

from bot.live.projection import DIGEST_BYTES
from bot.model.resource import ResourceRef

_RECIPE: Final = b"2"  # raise it when a digest or projection is made of other things: old verdicts are worth nothing
_RECORD_BYTES: Final = 3 * DIGEST_BYTES


class _Verdict(NamedTuple):
    """Two hashes, and the keyed one of the object's name, by which it is saved and proved."""

    name: bytes
    desired: bytes
    projection: bytes


class Verdicts:
    """Of all apps of one cluster. `load` reads what an app's verdicts were when a process last saved them."""

    def __init__(self, *, key: bytes, load: Callable[[str], bytes]) -> None:
        self._key, self._load = key, load
        self._lock = Lock()
        self._known: dict[ResourceRef, _Verdict] = {}  # guarded by _lock
        self._recalled: dict[str, dict[bytes, _Verdict]] = {}  # by app; guarded by _lock
        self._dirty: set[str] = set()  # guarded by _lock

    def digest(self, wanted: bytes, rules: bytes) -> bytes:
        """Return the keyed hash of a desired object and of the rules by which it is applied, both as JSON."""
        made = hashlib.blake2b(wanted, digest_size=DIGEST_BYTES, key=self._key)
        made.update(rules)
        return made.digest()

    def holds(self, app: str, ref: ResourceRef, desired: bytes, projection: bytes) -> bool:
        """Tell whether the server said of exactly this pair that it is equal."""
        if not projection:
            return False
        with self._lock:
            known = self._known.get(ref)
            if known is None:
                known = self._of(app).get(self._name(ref))
                if known is not None:
                    self._known[ref] = known
        return known is not None and known.projection == projection and known.desired == desired

    def expects(self, ref: ResourceRef) -> bytes:
        """Return the projection of the last verdict; b"" when there is none."""
        with self._lock:
            known = self._known.get(ref)
        return known.projection if known is not None else b""

    def give(self, app: str, ref: ResourceRef, desired: bytes, projection: bytes) -> None:
        """The server said that they are equal."""
        if not projection:
            return
        with self._lock:
            known = self._known.get(ref)
            name = known.name if known is not None else self._name(ref)
            verdict = _Verdict(name, desired, projection)
            if known != verdict:
                self._known[ref] = verdict
                self._dirty.add(app)

    def take_back(self, app: str, ref: ResourceRef) -> None:
        """Nothing is known of the object any more. Idempotent."""
        with self._lock:
            if self._known.pop(ref, None) is not None:
                self._dirty.add(app)

    def changed(self, app: str, refs: Collection[ResourceRef]) -> bytes | None:
        """Return what is to be saved of an app with these objects; None when nothing is new since it was."""
        with self._lock:
            if app not in self._dirty:
                return None
            self._dirty.discard(app)
            known = [found for ref in refs if (found := self._known.get(ref)) is not None]
            self._recalled[app] = {}
        return _RECIPE + b"".join(map(b"".join, sorted(known)))

    def proof(self, refs: Collection[ResourceRef]) -> str:
        """Return one digest of the projections of these objects; "" while one of them is not known to be equal."""
        with self._lock:
            known = [found for ref in refs if (found := self._known.get(ref)) is not None]
        if len(known) != len(refs):
            return ""
        text = b"".join([one.name + one.projection for one in sorted(known)])
        return f"keyed:{hashlib.blake2b(text, digest_size=32, key=self._key).hexdigest()}"

    def _of(self, app: str) -> dict[bytes, _Verdict]:
        found = self._recalled.get(app)
        if found is None:
            found = self._recalled[app] = _read(self._load(app))
        return found

    def _name(self, ref: ResourceRef) -> bytes:
        id = ref.id
        text = orjson.dumps((id.group, ref.version, id.kind, id.namespace, id.name))
        return hashlib.blake2b(text, digest_size=DIGEST_BYTES, key=self._key).digest()


def _read(saved: bytes) -> dict[bytes, _Verdict]:
    if saved[:1] != _RECIPE:
        return {}
    found = {}
    for at in range(1, len(saved) - _RECORD_BYTES + 1, _RECORD_BYTES):
        name, desired, projection = (
            saved[start : start + DIGEST_BYTES] for start in range(at, at + _RECORD_BYTES, DIGEST_BYTES)
        )
        found[name] = _Verdict(name, desired, projection)
    return found
