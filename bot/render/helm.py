"""Helm charts to manifests, by the real `helm template`.

In goes a chart, in the repository or pulled, with values files of the repository; out come manifests, each with its
template as origin, or every problem. Nothing is installed and no cluster is asked: the capabilities a chart may look at
are given from what discovery says. CRDs are included, tests are left out, hooks become ours (`hooks.py`). Dependencies
must be in the chart (`charts/`) or be pulled by it being a packaged chart: helm is not sent to fetch them.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.errors import Problem
from bot.model.app import HelmSpec
from bot.model.resource import KindTable, Manifest, join_api_version
from bot.model.source import SourceFile
from bot.render.charts import Chart
from bot.render.checkout import Checkout, resolved
from bot.render.documents import LFS_POINTER, MAX_RENDERED_BYTES, read_bytes
from bot.render.hooks import translated
from bot.render.kustomize import Built
from bot.render.locating import line_in_template
from bot.render.objects import Entry, entries, manifest_of
from bot.render.programs import ProgramFailed, Programs
from bot.render.workspace import workspace

CHART_FILE: Final = "Chart.yaml"
VALUES_FILE: Final = "values.yaml"
_FILES: Final = "files"
_SOURCE: Final = re.compile(r"^---\n# Source: (.+)\n", re.MULTILINE)
_PLACE: Final = re.compile(
    r"(?P<path>[^\s():\"']+\.(?:ya?ml|tpl|txt|json)):(?P<line>\d+)|\((?P<path2>[^\s():]+):(?P<line2>\d+)\)"
)
_FILE: Final = re.compile(r"(?:YAML parse error on|on file|in) (?P<path>[^\s:]+\.(?:ya?ml|tpl))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is rendered: the chart's folder in the checkout or its archive, under which name, for which cluster."""

    spec: HelmSpec
    folder: str  # the app's path, which relative paths begin at
    name: str
    namespace: str
    kinds: KindTable
    archive: Chart | None = None

    @property
    def chart_folder(self) -> str:
        return resolved(self.folder, self.spec.chart) or ""

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(resolved(self.folder, path) or "" for path in self.spec.values)


class Helm:
    """Renders charts. Safe to use from several threads."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def gather(self, checkout: Checkout, release: Release, *, where: str) -> tuple[Problem, ...]:
        """Bring in the chart and its values files; return what is missing."""
        problems = [Problem(message=message, where=where) for message in self._missing(checkout, release)]
        for path, file in checkout.files.items():
            if file.data.startswith(LFS_POINTER) and path.endswith((".yaml", ".yml", ".json", ".tpl", ".tgz", ".txt")):
                message = "the file is a Git LFS pointer, its content is not in Git: commit it plainly"
                problems.append(Problem(message=message, where=f"{path}:1"))
        return tuple(problems)

    def _missing(self, checkout: Checkout, release: Release) -> list[str]:
        found: list[str] = []
        if release.archive is None:
            chart = resolved(release.folder, release.spec.chart)
            if chart is None:
                return [f"helm.chart {release.spec.chart} leaves the repository"]
            if not checkout.add_folder(chart) or posixpath.join(chart, CHART_FILE) not in checkout.files:
                return [f"helm.chart {release.spec.chart} is no folder with a {CHART_FILE} in this commit"]
            checkout.use_folder(chart)
        for written in release.spec.values:
            path = resolved(release.folder, written)
            if path is None or checkout.add_file(path) is None:
                why = checkout.why_missing(path) if path else "it leaves the repository"
                found.append(f"helm.values {written} is no file in this commit{f': {why}' if why else ''}")
        return found

    def layers(self, checkout: Checkout, folder: str, spec: HelmSpec) -> tuple[SourceFile | None, ...]:
        """Return the chart's own values and the files named, each over the one before; None for what is not there."""
        chart = None if spec.repo else resolved(folder, spec.chart)
        paths = [posixpath.join(chart, VALUES_FILE) if chart is not None else None]
        paths += [resolved(folder, path) for path in spec.values]
        return tuple(checkout.add_file(path) if path is not None else None for path in paths)

    def build(self, checkout: Checkout, release: Release, *, values: Mapping[str, str] | None) -> Built:
        """Return what the chart renders."""
        where = (
            f"{posixpath.join(release.chart_folder, CHART_FILE) if release.archive is None else release.spec.repo}:1"
        )
        with workspace(checkout.size_bytes()) as place:
            files = place / _FILES
            checkout.write(files)
            files.mkdir(exist_ok=True)
            try:
                done = self._programs.run("helm", _command(release, files), cwd=files, home=place / "home")
            except ProgramFailed as error:
                return Built(problems=(Problem(message=str(error), where=where),))
        if done.status != 0:
            return Built(problems=(_problem(done.complaint, checkout, release, where),))
        return _located(done.output, checkout, release, values)


def _command(release: Release, files: Path) -> list[str]:
    chart = release.archive.file if release.archive is not None else files / release.chart_folder
    command = [
        "template",
        release.name,
        str(chart),
        f"--namespace={release.namespace}",
        "--include-crds",
        "--skip-tests",
    ]
    if version := release.kinds.server_version():
        command.append(f"--kube-version={version}")
    served = capabilities(release.kinds)
    if served:
        command.append(f"--api-versions={','.join(served)}")
    return [*command, *(f"--values={files / path}" for path in release.values)]


def capabilities(kinds: KindTable) -> tuple[str, ...]:
    """Return `group/version` and `group/version/Kind` of all that a cluster serves, sorted."""
    served: set[str] = set()
    for infos in kinds.kinds.values():
        for info in infos:
            version = join_api_version(info.group, info.version)
            served |= {version, f"{version}/{info.kind}"}
    return tuple(sorted(served))


def _located(output: bytes, checkout: Checkout, release: Release, values: Mapping[str, str] | None) -> Built:
    """Split helm's output at its `# Source:` lines and return the manifests of each template."""
    text = output.decode("utf-8", errors="replace")
    parts = _SOURCE.split(text)
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    seen: Counter[tuple[str, str]] = Counter()
    for source, body in zip(parts[1::2], parts[2::2], strict=True):
        path = _path(source, release)
        reading = read_bytes(body.encode(), values=values, limit_bytes=MAX_RENDERED_BYTES)
        problems.extend(
            Problem(message=f"in what helm renders: {one.message}", where=f"{path}:1") for one in reading.problems
        )
        template = checkout.files.get(path)
        for document in reading.documents:
            for entry in entries(document):
                value = translated(entry.value)
                if value is None:
                    continue
                kind = str(value.get("kind")) if isinstance(value, Mapping) else ""
                line = line_in_template(template.data, kind, seen[path, kind]) if template is not None else 1
                seen[path, kind] += 1
                made = manifest_of(Entry(line, value), path)
                if isinstance(made, Manifest):
                    manifests.append(made)
                else:
                    problems.extend(made)
    return Built(tuple(manifests), tuple(problems))


def _path(source: str, release: Release) -> str:
    """Return the template's path in the repository, or in the archive: `shop-1.2.3.tgz/templates/api.yaml`."""
    inside = source.partition("/")[2]
    if release.archive is not None:
        return f"{release.archive.name}-{release.archive.version}.tgz/{inside}"
    return posixpath.join(release.chart_folder, inside)


def _problem(complaint: str, checkout: Checkout, release: Release, where: str) -> Problem:
    """Return helm's complaint as one problem, at the template it names."""
    if "out of memory" in complaint or "cannot allocate memory" in complaint:
        return Problem(message="helm needs more memory than it may have", where=where)
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("level=", "WARNING", "Use --debug"))]
    message = " ".join(said).removeprefix("Error: ")
    if found := _PLACE.search(message):
        source, line = found["path"] or found["path2"], found["line"] or found["line2"]
        path = _path(source, release)
        if release.archive is not None or path in checkout.files:
            where = f"{path}:{line}"
    elif (found := _FILE.search(message)) and (release.archive or _path(found["path"], release) in checkout.files):
        where = f"{_path(found['path'], release)}:1"
    missing = re.search(r"missing in charts/ directory: (.+)", message)
    if missing:
        message = f"the chart needs {missing[1]} in its charts folder: run helm dependency update and commit it"
    return Problem(message=f"helm: {message[:500] or 'failed without a word'}", where=where)
