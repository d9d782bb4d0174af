"""Builds kustomize, helm, sops, age-keygen and a registry from locked Go modules, once per content of each lock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tests.gobuild import Program, build_missing, locked

HERE: Final = Path(__file__).parent
_STAMP: Final = "-s -w"
PROGRAMS: Final = (
    Program("kustomize", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    Program("helm", "helm", "helm.sh/helm/v4/cmd/helm"),
    Program("sops", "sops", "github.com/getsops/sops/v3/cmd/sops"),
    Program("sops", "age-keygen", "filippo.io/age/cmd/age-keygen"),
    Program("registry", "registry", "github.com/distribution/distribution/v3/cmd/registry"),
)


def folder(program: Program) -> Path:
    """Return where the binary of these lock files is or will be."""
    return locked(program, modules=HERE / "go", stamp=_STAMP)


def build() -> tuple[Path, ...]:
    """Build what is missing and return the folders. About five minutes on two cores the first time, nothing after."""
    return tuple(
        build_missing([program], modules=HERE / "go", target=folder(program), stamp=_STAMP) for program in PROGRAMS
    )


def search_path() -> str:
    """Return a PATH that begins with the folders of the programs."""
    return os.pathsep.join([*(str(folder(program)) for program in PROGRAMS), os.environ.get("PATH", "")])


def program(name: str) -> str:
    """Return the path of a built program."""
    found = next(one for one in PROGRAMS if one.name == name)
    return str(folder(found) / name)
