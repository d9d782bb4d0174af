"""The demo's folder, and what becomes of it and of the bot when the demo itself is killed.

Nobody can clean up after `kill -9`; so a shell waits at a pipe that only the demo holds. When it closes, for whatever
reason, what is still there is ended and deleted. A shell, because it costs one megabyte and every machine has it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PID_FILE: Final = "bot.pid"
# Without `--` before the group: dash takes it for a number.
_CLEAN_UP: Final = """
read -r _
if bot=$(cat "$1/$2"); then
    kill -TERM "-$bot"  # the whole group: its git and helm too
    left=20             # seconds that `run` promises to leave within
    while [ "$left" -gt 0 ] && kill -0 "-$bot"; do sleep 1; left=$((left - 1)); done
    kill -KILL "-$bot"
fi
rm -rf -- "$1"
"""


@contextmanager
def demo_folder() -> Iterator[Path]:
    """Make a folder that goes when this ends, or this process does; a bot whose id is in its `PID_FILE` goes first."""
    folder = tempfile.TemporaryDirectory(prefix="gitops-bot-demo-")
    shell = subprocess.Popen(
        ["sh", "-c", _CLEAN_UP, "sh", folder.name, PID_FILE],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal, and its end, are not for it
    )
    with shell, folder as name:
        yield Path(name)
