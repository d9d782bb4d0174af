"""How fast the demo says its first "converged", and how much memory all of it takes.

    python bench/demo.py [--settle SECONDS]

Starts `gitops-bot demo` as a person would, reads the page's event stream, and prints one JSON object: seconds from the
start of the process to the address, to the first converged message and to the last of the eleven apps that wait for
nobody; and the memory of the whole process tree in MiB (proportional set size: what pages are shared is divided) at
its highest while it starts and after it has settled.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

APPS = 11  # payments waits for a person


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--settle", type=float, default=15.0, help="seconds to wait before the last look at memory")
    settle = parser.parse_args().settle
    began = time.monotonic()
    demo = subprocess.Popen(
        [sys.executable, "-m", "bot", "demo", "--no-browser", "--port", "0"],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    highest = [0.0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(demo.pid, highest, done))
    watcher.start()
    try:
        assert demo.stdout is not None
        url = re.search(r"http://\S+", demo.stdout.readline())
        assert url is not None, "the demo did not say where it is"
        opened = time.monotonic() - began
        times = [at - began for at in _converged(url[0])]
        time.sleep(settle)
        settled = _memory(demo.pid)
        processes = len(_tree(demo.pid))
    finally:
        done.set()
        watcher.join()
        demo.send_signal(signal.SIGINT)
        demo.wait(60)
    figures = {
        "address_seconds": round(opened, 2),
        "first_converged_seconds": round(times[0], 2),
        "all_converged_seconds": round(times[-1], 2),
        "highest_mib": round(highest[0]),
        "settled_mib": round(settled),
        "processes": processes,
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


def _converged(url: str) -> Iterator[float]:
    """Yield when each app's message first said that it had converged."""
    seen: set[tuple[str, str]] = set()
    with urllib.request.urlopen(f"{url}/api/stream", timeout=120) as stream:
        event = ""
        for line in stream:
            if line.startswith(b"event: "):
                event = line[7:].strip().decode()
            elif line.startswith(b"data: ") and event == "messages":
                for message in json.loads(line[6:])["messages"]:
                    link = (message["channel"], message["ts"])
                    if message["text"].startswith("Converged") and "thread" not in message and link not in seen:
                        seen.add(link)
                        yield time.monotonic()
                if len(seen) >= APPS:
                    return


def _watch(pid: int, highest: list[float], done: threading.Event) -> None:
    while not done.wait(0.25):
        highest[0] = max(highest[0], _memory(pid))


def _memory(pid: int) -> float:
    return sum(map(_pss, _tree(pid)))


def _pss(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended
        return 0
    found = re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


if __name__ == "__main__":
    sys.exit(main())
