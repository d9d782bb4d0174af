"""An app and a commit to render, without git: a repository whose only commit is a dictionary of files."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from bot.errors import PathNotFound, RefNotFound, RenderError
from bot.model.resource import DesiredState, KindInfo, KindTable
from bot.model.source import GitRef, SourceFile, SourceTree
from bot.ports.source import Repository
from bot.render import CommitFiles, Renderer
from bot.render.charts import Charts
from bot.render.documents import CACHED_MANIFESTS
from bot.render.programs import Limits, Programs
from bot.render.sops import Sops
from tests.plan.world import app
from tests.tools.building import search_path

APP = app(path="app", env="", channel="")
KINDS = KindTable(
    kinds={
        ("apps", "Deployment"): (
            KindInfo(group="apps", version="v1", kind="Deployment", plural="deployments", namespaced=True),
        )
    },
    server_version=lambda: "v1.37.2",
)
TOOLS = ("kustomize", "helm", "sops")
Files = Mapping[str, str | bytes]


@dataclass
class FilesOnly:
    """The files of each commit. `questions` counts what was asked. A value that begins with `-> ` is a link."""

    commits: dict[str, Files]
    questions: dict[str, int] = field(default_factory=lambda: {"tree": 0, "file": 0, "hashes": 0})
    name: str = "fleet"
    others: dict[str, FilesOnly] = field(default_factory=dict)  # by address; their commits by tag or hash

    def beside(self, url: str) -> FilesOnly:
        return self.others[url]

    def head(self, ref: GitRef, *, newer_than: datetime) -> str:
        if ref.name not in self.commits:
            raise RefNotFound(f"repository fleet: has no {ref.kind.value} {ref.name}", repo="fleet")
        return ref.name

    def tree(self, commit: str, path: str) -> SourceTree:
        self.questions["tree"] += 1
        files = tuple(_file(name, data) for name, data in sorted(self.commits[commit].items()) if _below(path, name))
        if not files:
            raise PathNotFound(f"repository fleet: the path {path} does not exist at commit {commit}", repo="fleet")
        return SourceTree(commit=commit, path=path, subtree=self._hash(commit, path), files=files)

    def file(self, commit: str, path: str) -> SourceFile:
        self.questions["file"] += 1
        if path not in self.commits[commit]:
            raise PathNotFound(f"repository fleet: the path {path} does not exist at commit {commit}", repo="fleet")
        return _file(path, self.commits[commit][path])

    def hashes(self, commit: str, paths: tuple[str, ...]) -> tuple[str, ...]:
        self.questions["hashes"] += 1
        return tuple(self._hash(commit, posixpath.normpath(path) if path else "") for path in paths)

    def _hash(self, commit: str, path: str) -> str:
        files = self.commits[commit]
        found = sorted((name, _bytes(data)) for name, data in files.items() if name == path or _below(path, name))
        return hashlib.sha1(repr(found).encode()).hexdigest() if found else ""


def _below(folder: str, path: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _file(path: str, data: str | bytes) -> SourceFile:
    content = _bytes(data)
    is_link = content.startswith(b"-> ")
    content = content.removeprefix(b"-> ")
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return SourceFile(path=path, blob=blob, data=content, is_link=is_link)


def renderer(
    folder: Path,
    *,
    limits: Limits | None = None,
    environment: Mapping[str, str] | None = None,
    tools: Sequence[str] = TOOLS,
    kept: int = CACHED_MANIFESTS,
) -> Renderer:
    """Return a renderer whose tools are the ones built for the tests, and that keeps so many manifests."""
    path = search_path()
    places = {
        name: next((f"{one}/{name}" for one in path.split(os.pathsep) if Path(one, name).exists()), "")
        for name in tools
    }
    programs = Programs(paths=places, limits=limits or Limits())
    given = dict(environment or {})
    return Renderer(
        programs=programs,
        sops=Sops(programs, environment={"PATH": os.environ["PATH"], **given}),
        charts=Charts(
            programs,
            folder=folder / "charts",
            clock=lambda: datetime.now(tz=UTC),
            secret=lambda name: given.get(name, ""),
            environment=given,
        ),
        cached=kept,
        key=b"key",
    )


def render(files: Files, *, with_: Renderer, others: Mapping[str, FilesOnly] | None = None, **app: Any) -> DesiredState:
    """Render one commit of these files, beside `others`."""
    source = CommitFiles(cast(Repository, FilesOnly({"c": files}, others=dict(others or {}))), "c")
    return with_.render(replace(APP, **app), source, kinds=lambda: KINDS)


def problems(files: Files, *, with_: Renderer, **app: Any) -> list[str]:
    """Return the problems of a commit that cannot be rendered, as people read them."""
    try:
        state = render(files, with_=with_, **app)
    except RenderError as error:
        return [str(problem) for problem in error.problems]
    raise AssertionError(f"rendered {[str(one.id) for one in state.manifests]}")


def origins(state: DesiredState) -> dict[str, str]:
    """Return the origin of each object by its name."""
    return {str(one.id): str(one.origin) for one in state.manifests}
