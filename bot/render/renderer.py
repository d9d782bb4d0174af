"""The door of the room: one tree in, one `DesiredState` out, or `RenderError` with every problem.

`AutoRenderer` looks at a tree and hands it to the renderer it is made for. Only plain YAML exists; a renderer for
another kind of tree is one more entry of the choice. No renderer reads anything but the tree, and a rendering
of the same tree is always the same.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final, Protocol

import orjson

from bot.errors import Problem, RenderError
from bot.model.resource import DesiredState, Manifest
from bot.model.source import SourceFile, SourceTree
from bot.render.files import MAX_FILE_BYTES, Selection, is_manifest, select
from bot.render.objects import duplicates, entries, manifest_of
from bot.render.yamltext import Reading, TextProblem, decode, join_surrogates, read

CACHED_FILES: Final = 4096  # some 30 KB each as objects: at most a hundred megabytes, for the manifests of a fleet

_OTHER_TOOLS: Final = {
    "kustomization.yaml": "kustomize",
    "kustomization.yml": "kustomize",
    "Kustomization": "kustomize",
    "Chart.yaml": "helm",
}


class Renderer(Protocol):
    """Turns a tree into the objects it wants. Safe to call from several threads at once."""

    def render(self, tree: SourceTree) -> DesiredState:
        """Return what the tree wants. Raises `RenderError` with every problem, each at `path:line`."""


class YamlRenderer:
    """Renders plain YAML and JSON. Parsed files are kept by blob hash: a file that did not change is not parsed."""

    def __init__(self, *, cached_files: int = CACHED_FILES) -> None:
        self._cached_files = cached_files
        self._readings: OrderedDict[tuple[str, bool], Reading] = OrderedDict()
        self._lock = Lock()

    def render(self, tree: SourceTree) -> DesiredState:
        """Return the objects in the order of the files. Raises `RenderError`."""
        return self.render_selection(select(tree))

    def render_selection(self, selection: Selection) -> DesiredState:
        """Return the objects of chosen files, as `render` does."""
        problems = list(selection.problems)
        manifests: list[Manifest] = []
        for file in selection.files:
            if not is_manifest(file.path):
                continue
            reading = self._reading(file)
            problems.extend(
                Problem(message=problem.message, where=f"{file.path}:{problem.line}") for problem in reading.problems
            )
            for document in reading.documents:
                for entry in entries(document):
                    made = manifest_of(entry, file.path)
                    if isinstance(made, Manifest):
                        manifests.append(made)
                    else:
                        problems.extend(made)
        problems.extend(duplicates(manifests))
        if problems:
            raise RenderError(problems)
        return DesiredState(manifests=tuple(manifests), digest=digest(manifests))

    def _reading(self, file: SourceFile) -> Reading:
        is_json = file.path.lower().endswith(".json")
        key = (file.blob, is_json)
        if file.blob:
            with self._lock:
                known = self._readings.get(key)
                if known is not None:
                    self._readings.move_to_end(key)
                    return known
        reading = _read_file(file.data, is_json=is_json)
        if file.blob:
            with self._lock:
                self._readings[key] = reading
                while len(self._readings) > self._cached_files:
                    self._readings.popitem(last=False)
        return reading


class AutoRenderer:
    """Chooses the renderer of each tree. The only place that knows which kinds of trees there are."""

    def __init__(self, *, cached_files: int = CACHED_FILES) -> None:
        self._yaml = YamlRenderer(cached_files=cached_files)

    def render(self, tree: SourceTree) -> DesiredState:
        """Return what the tree wants. Raises `RenderError` with every problem, each at `path:line`."""
        selection = select(tree)
        foreign = _made_for_other_tools(selection.files)
        if foreign:
            raise RenderError((*selection.problems, *foreign))
        return self._yaml.render_selection(selection)


def digest(manifests: Sequence[Manifest]) -> str:
    """Return `sha256:…` over all objects, whatever files they are in. Values of Secrets are in it only so."""
    ordered = sorted(manifests, key=lambda manifest: (manifest.id, manifest.version))
    hashed = hashlib.sha256()
    for manifest in ordered:
        hashed.update(orjson.dumps(manifest.body, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
    return f"sha256:{hashed.hexdigest()}"


def _read_file(data: bytes, *, is_json: bool) -> Reading:
    if len(data) > MAX_FILE_BYTES:
        size = f"{len(data) / 1_000_000:.1f} MB"
        return Reading((), (TextProblem(1, f"the file has {size}, more than {MAX_FILE_BYTES // 1_000_000} MB"),))
    text = decode(data)
    if isinstance(text, TextProblem):
        return Reading((), (text,))
    return read(join_surrogates(text) if is_json else text)


def _made_for_other_tools(files: Sequence[SourceFile]) -> tuple[Problem, ...]:
    found = ((file.path, _OTHER_TOOLS.get(file.path.rpartition("/")[2])) for file in files)
    return tuple(
        Problem(
            message=f"{tool} is not supported yet: commit the rendered YAML, or list this in .gitopsignore",
            where=f"{path}:1",
        )
        for path, tool in found
        if tool is not None
    )
