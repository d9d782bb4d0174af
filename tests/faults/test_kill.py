"""The bot killed at each request of a pass: a fresh process goes on, leaks nothing and changes nothing foreign."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.engine import EngineWorld
from tests.faults.proxy import Proxy
from tests.faults.scene import NEW, OLD, foreign, is_new, settled, steps

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]


def command(world: EngineWorld) -> subprocess.Popen[bytes]:
    """Start the terminal's `sync` on the world's configuration and state."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SLACK_SIGNING_SECRET": "signing",
    }
    arguments = [sys.executable, "-m", "bot", "--config", str(world.file), "--log-level", "error", "sync", "shop"]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_killed_at_any_write_the_next_process_goes_on(world: EngineWorld, proxy: Proxy) -> None:
    writes = [step for step in steps(world, proxy) if not step.startswith("GET") and "leases" not in step]
    before = foreign(world)
    assert len(writes) >= 4
    for step in writes:
        world.commit(NEW)
        process = command(world)

        def kill(request: str, step: str = step, process: subprocess.Popen[bytes] = process) -> None:
            if request == step:
                process.kill()

        proxy.before = kill
        _, complaint = process.communicate(timeout=60)
        proxy.before = lambda _: None
        assert process.returncode == -9, (step, complaint.decode())
        settled(world)
        assert is_new(world), step
        assert foreign(world) == before, step
        world.commit(OLD)
        settled(world)
