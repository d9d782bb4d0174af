"""A page of a LIST that is asked for before the one before it is read: bytes in, an answer or nothing out.

The surprising part: a list of a built-in kind tells where the next page begins before its first object (one of custom
resources does so last). So that page is asked for while this one is still on its way, and the server, which makes a
page as fast as it is read, has always one to make.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import orjson

from bot.live.wire import Answer, Pool, Wire

_ITEMS: Final = b',"items":['
_OPENING_BYTES: Final = 1 << 14  # the token and two numbers take some 200


class Ahead:
    """One GET, sent when this is made. A connection that fails is no error: the answer is None, to be asked again."""

    def __init__(self, pool: Pool, request: bytes) -> None:
        self._pool = pool
        self._wire: Wire | None = None
        with suppress(OSError):
            self._wire = pool.begin(request)

    def token(self) -> str:
        """Return where the next page begins, as soon as that has come; "" where only the whole answer tells."""
        if self._wire is None:
            return ""
        try:
            opening = self._wire.opening(_ITEMS, _OPENING_BYTES)
        except OSError:
            self.close()
            return ""
        return token_of(before_items(opening)) if self._wire.status == 200 else ""

    def answer(self) -> Answer | None:
        """Read the answer to its end, once."""
        wire, self._wire = self._wire, None
        if wire is not None:
            with suppress(OSError):
                return self._pool.end(wire)
        return None

    def close(self) -> None:
        """Leave no connection behind that nobody will read. Idempotent."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def token_of(body: Any) -> str:
    """Return where the page after this one begins, "" when it is the last."""
    return str((body.get("metadata") or {}).get("continue") or "")


def before_items(opening: bytes) -> Any:
    """Return what a list says of itself before its first item, {} where that is not all it says.

    What stands before `,"items":[` is whole JSON but for a brace only if these bytes are the list's own field, and no
    part of a name or of something deeper.
    """
    before, found, _ = opening.partition(_ITEMS)
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(before + b"}") if found else {}
    return {}
