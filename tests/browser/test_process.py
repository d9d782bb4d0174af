"""The demo as a process: what it leaves behind, and whom it answers."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bot.sandbox.demo.cluster import TokenDoor
from bot.sandbox.kube import KubeSandbox
from tests.browser.demo_process import DemoProcess, is_running
from tests.waiting import until


def test_ctrl_c_leaves_no_process_and_no_file_behind() -> None:
    demo = DemoProcess()
    children = demo.children()
    assert (demo.folder / "gitops-bot.yaml").exists()
    code, said = demo.interrupt()
    assert (code, said) == (0, "Stopping…\n")
    assert not demo.folder.exists()
    assert [one for one in children if Path(f"/proc/{one}").exists()] == []


def test_kill_leaves_no_process_and_no_file_behind() -> None:
    """The bot went on as a child of init, with its port, and the folder stayed in /tmp."""
    demo = DemoProcess()
    children = demo.children()
    assert int((demo.folder / "bot.pid").read_text()) in children
    demo.kill()
    until(lambda: not any(map(is_running, children)))
    assert not demo.folder.exists()


@pytest.fixture
def own_cluster() -> Iterator[KubeSandbox]:
    kube = KubeSandbox(namespaces=("shop-staging",))
    kube.start()
    yield kube
    kube.stop()


def test_own_cluster_is_left_as_it_was(own_cluster: KubeSandbox, tmp_path: Path) -> None:
    """The bot's own namespace, with the inventories of a shop that was gone, stayed."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(own_cluster.kubeconfig(), encoding="utf-8")
    door = TokenDoor(kubeconfig)
    demo = DemoProcess("--kubeconfig", str(kubeconfig))
    assert _namespaces(door) >= {"shop", "shop-staging", "gitops-bot"}
    assert demo.interrupt()[0] == 0
    assert _namespaces(door) & {"shop", "shop-staging", "gitops-bot"} == {"shop-staging"}


def _namespaces(door: TokenDoor) -> set[str]:
    """Return those that are there and stay."""
    found = door.request("GET", "/api/v1/namespaces").body["items"]
    return {one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]}


def test_terminal_has_the_bots_commands(demo: DemoProcess) -> None:
    """The folder's commands named no tokens, so that each of them ended with a list of missing ones."""
    done = subprocess.run(
        ["sh", "-c", '. "$0/bot.env" && gitops-bot status --output json', str(demo.folder)],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(json.loads(done.stdout)["apps"]) == 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "99999"], "--port: 99999 is not between 0 and 65535"),
        (["--repo", "x", "--path", "../p"], "--path: ../p leaves the repository: write it relative to its root"),
        (["--repo", "x"], "--repo and --path go together: the repository, and the folder in it to deploy"),
        (["--kubeconfig", "/none"], "--kubeconfig: there is no file /none"),
    ],
)
def test_option_that_cannot_be_is_one_line(options: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "demo", "--no-browser", *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (64, "", f"gitops-bot: {said}\n")


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
    connection = http.client.HTTPConnection(urlsplit(demo.url).netloc, timeout=60)
    try:
        connection.request(method, "/api/mischief", "{}", headers)
        assert connection.getresponse().status == status
    finally:
        connection.close()
