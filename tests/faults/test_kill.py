"""The bot killed at each request of a pass: a fresh process goes on, leaks nothing and changes nothing foreign."""

from __future__ import annotations

import subprocess

from tests.contract.engine import EngineWorld
from tests.faults.proxy import Proxy
from tests.faults.scene import NEW, OLD, foreign, is_new, settled, steps, terminal_sync


def test_killed_at_any_write_the_next_process_goes_on(world: EngineWorld, proxy: Proxy) -> None:
    writes = [step for step in steps(world, proxy) if not step.startswith("GET") and "leases" not in step]
    before = foreign(world)
    assert len(writes) >= 4
    for step in writes:
        world.commit(NEW)
        process = terminal_sync(world)

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
