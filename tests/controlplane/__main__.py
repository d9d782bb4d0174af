"""`python -m tests.controlplane build` builds the binaries; `run COMMAND…` runs a command with KUBECONFIG set;
`record` writes down what the sandbox API server knows of the real one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from tests.controlplane.building import build
from tests.controlplane.plane import ControlPlane
from tests.controlplane.recording import record


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build"]:
            sys.stdout.write(f"{build()}\n")
            return 0
        case ["run", *command] if command:
            with _running() as plane:
                return subprocess.run(command, env={**os.environ, "KUBECONFIG": plane.kubeconfig}).returncode
        case ["record"]:
            with _running() as plane:
                for path in record(plane):
                    sys.stdout.write(f"{path} {path.stat().st_size}\n")
            return 0
        case _:
            sys.stderr.write("usage: python -m tests.controlplane build | run COMMAND… | record\n")
            return 64


@contextlib.contextmanager
def _running() -> Iterator[ControlPlane]:
    plane = ControlPlane()
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
