"""The digest of all that Git wants of an app, with the installation's key in it. Pure.

History, messages to other systems and the terminal show it: whoever saw a plain one could check guesses at a weak
password that is in it. What earlier versions have stored plainly is the same digest before the key came in.
"""

from __future__ import annotations

import hmac
from typing import Final

_PLAIN: Final = "sha256:"


def keyed(digest: str, key: bytes) -> str:
    """Return a plain digest with the key in it; "", and one that has it already, as they are."""
    if not digest.startswith(_PLAIN):
        return digest
    return f"hmac-sha256:{hmac.digest(key, digest.encode(), 'sha256').hex()}"
