"""The demo as a process: what it leaves behind, and whom it answers."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.demo_process import DemoProcess


def test_ctrl_c_leaves_no_process_and_no_file_behind() -> None:
    demo = DemoProcess()
    (bot,) = demo.children()
    assert (demo.folder / "gitops-bot.yaml").exists()
    code, said = demo.interrupt()
    assert (code, said) == (0, "")
    assert not demo.folder.exists()
    assert not Path(f"/proc/{bot}").exists()


def test_port_in_use_is_one_line(demo: DemoProcess) -> None:
    port = str(urlsplit(demo.url).port)
    done = subprocess.run(
        [sys.executable, "-m", "bot", "demo", "--no-browser", "--port", port],
        cwd=Path(__file__).parents[2],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == f"gitops-bot: --port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Host": "rebound.example"}, 421),
        ("POST", {"Content-Type": "text/plain"}, 415),
        ("POST", {"Content-Type": "application/json"}, 400),
    ],
)
def test_other_sites_cannot_use_the_page(demo: DemoProcess, method: str, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(demo.url).netloc, timeout=10)
    try:
        connection.request(method, "/api/mischief", "{}", headers)
        assert connection.getresponse().status == status
    finally:
        connection.close()
