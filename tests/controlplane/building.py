"""Builds the binaries of the control plane from locked Go modules, once per content of their lock files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from tests.gobuild import Program, build_missing, cache

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
    return cache() / "control-plane" / digest.hexdigest()[:16]


def build() -> Path:
    """Build what is missing and return the folder. About ten minutes on two cores the first time, nothing after."""
    programs = [Program(*one) for one in BINARIES]
    return build_missing(programs, modules=HERE / "go", target=folder(), stamp=_STAMP)
