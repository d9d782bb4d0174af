"""What a killed demo leaves behind: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.waiting import until

_DEMO: Final = """
import subprocess, time
from bot.sandbox.demo.leftovers import PID_FILE, demo_folder
with demo_folder() as folder:
    bot = subprocess.Popen(["sleep", "300"], start_new_session=True)
    (folder / PID_FILE).write_text(str(bot.pid))
    print(folder, bot.pid, flush=True)
    time.sleep(300)
"""


def test_killed_demo_takes_its_bot_and_its_folder_along() -> None:
    with subprocess.Popen([sys.executable, "-c", _DEMO], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        folder, bot = demo.stdout.readline().split()
        demo.send_signal(signal.SIGKILL)
    until(lambda: not Path(folder).exists(), "the folder is gone")
    until(lambda: not _runs(int(bot)), "the bot has ended")


def _runs(pid: int) -> bool:
    """Tell whether a process is there and no zombie: who has adopted it may be slow to bury it."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
