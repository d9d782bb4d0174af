"""`gitops-bot demo` as a person starts it: a process, an address on its standard output, Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path


class DemoProcess:
    """Starts on construction; `url` and `folder` are what it printed."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot", "demo", "--no-browser", "--port", "0", *options],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        found = re.search(r"at +(http://\S+)\n.*in +(\S+)", said)
        assert found is not None, said
        self.url, self.folder = found[1], Path(found[2])

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit status and what was said meanwhile. Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=60)
        return self._process.returncode, said

    def kill(self) -> None:
        """End it as the kernel does when memory is short: it cannot clean up."""
        self._process.kill()
        self._process.communicate(timeout=60)

    def children(self) -> tuple[int, ...]:
        """Return the processes it has started, by their ids."""
        pid = self._process.pid
        return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that waits for its parent to read its status does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
