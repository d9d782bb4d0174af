"""`python -m tests.controlplane build` builds the binaries; `run COMMAND…` runs a command with KUBECONFIG set."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.controlplane.building import build
from tests.controlplane.plane import ControlPlane


def main(arguments: list[str]) -> int:
    match arguments:
        case ["build"]:
            sys.stdout.write(f"{build()}\n")
            return 0
        case ["run", *command] if command:
            plane = ControlPlane()
            try:
                plane.start()
                return subprocess.run(command, env={**os.environ, "KUBECONFIG": plane.kubeconfig}).returncode
            finally:
                plane.stop()
        case _:
            sys.stderr.write("usage: python -m tests.controlplane build | run COMMAND…\n")
            return 64


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
