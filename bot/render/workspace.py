"""A folder for one run of a tool, readable by us alone and gone afterwards.

It lies in memory where there is enough of it: decrypted files and rendered Secrets should never reach a disk.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # containers have 64 MiB there unless somebody gave them more
_SPARE_BYTES: Final = 16 * 1024**2  # for what the tool writes itself


@contextmanager
def workspace(size_bytes: int) -> Iterator[Path]:
    """Yield an empty folder with room for files of `size_bytes` in all."""
    with tempfile.TemporaryDirectory(prefix="gitops-bot-", dir=_place(size_bytes)) as name:
        yield Path(name)


def _place(size_bytes: int) -> Path | None:
    """Return the folder in memory, None for the default one when there is no room or no such folder."""
    try:
        facts = os.statvfs(_MEMORY)
    except OSError:
        return None
    room = facts.f_bavail * facts.f_frsize
    return _MEMORY if os.access(_MEMORY, os.W_OK) and room > 2 * size_bytes + _SPARE_BYTES else None
