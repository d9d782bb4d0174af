"""Verdicts: "this desired object and this live object are equal", as the server last said. Pure but for its memory.

A verdict is two hashes: of what Git wants, and of the live object's projection. It holds while both are what they
were, whoever asks, in this process or a later one. It never says that anything differs: that is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from threading import Lock
from typing import Final

import orjson

from bot.live.projection import DIGEST_BYTES
from bot.model.resource import ResourceRef

_RECIPE: Final = b"2"  # raise it when a digest or projection is made of other things: old verdicts are worth nothing
_RECORD_BYTES: Final = 3 * DIGEST_BYTES


class Verdicts:
    """Of all apps of one cluster. `load` reads what an app's verdicts were when a process last saved them."""

    def __init__(self, *, key: bytes, load: Callable[[str], bytes]) -> None:
        self._key, self._load = key, load
        self._lock = Lock()
        self._known: dict[ResourceRef, tuple[bytes, bytes]] = {}  # guarded by _lock
        self._recalled: dict[str, dict[bytes, tuple[bytes, bytes]]] = {}  # by app; guarded by _lock
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
        return known == (desired, projection)

    def expects(self, ref: ResourceRef) -> bytes:
        """Return the projection of the last verdict; b"" when there is none."""
        with self._lock:
            return self._known.get(ref, (b"", b""))[1]

    def give(self, app: str, ref: ResourceRef, desired: bytes, projection: bytes) -> None:
        """The server said that they are equal."""
        if not projection:
            return
        with self._lock:
            if self._known.get(ref) != (desired, projection):
                self._known[ref] = (desired, projection)
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
            known = [(self._name(ref), *self._known[ref]) for ref in refs if ref in self._known]
            self._recalled[app] = {}
        return _RECIPE + b"".join(part for record in sorted(known) for part in record)

    def proof(self, refs: Collection[ResourceRef]) -> str:
        """Return one digest of the projections of these objects; "" while one of them is not known to be equal."""
        with self._lock:
            known = [(self._name(ref), self._known[ref][1]) for ref in refs if ref in self._known]
        if len(known) != len(refs):
            return ""
        text = b"".join(part for record in sorted(known) for part in record)
        return f"keyed:{hashlib.blake2b(text, digest_size=32, key=self._key).hexdigest()}"

    def _of(self, app: str) -> dict[bytes, tuple[bytes, bytes]]:
        found = self._recalled.get(app)
        if found is None:
            found = self._recalled[app] = _read(self._load(app))
        return found

    def _name(self, ref: ResourceRef) -> bytes:
        id = ref.id
        text = orjson.dumps((id.group, ref.version, id.kind, id.namespace, id.name))
        return hashlib.blake2b(text, digest_size=DIGEST_BYTES, key=self._key).digest()


def _read(saved: bytes) -> dict[bytes, tuple[bytes, bytes]]:
    if saved[:1] != _RECIPE:
        return {}
    size = DIGEST_BYTES
    return {
        saved[at : at + size]: (saved[at + size : at + 2 * size], saved[at + 2 * size : at + 3 * size])
        for at in range(1, len(saved) - _RECORD_BYTES + 1, _RECORD_BYTES)
    }
