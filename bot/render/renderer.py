"""The door of the room: an app and a commit in, one `DesiredState` out, or `RenderError` with every problem.

`Renderer` looks at what the app's path holds and hands it to the tool it is made for: plain YAML, kustomize or Helm.
What was rendered is kept with Git's hashes of all that was read: a commit that changes none of it costs one short git
process and gives back the same object. The same files, chart and cluster capabilities always render the same.
"""

from __future__ import annotations

import hashlib
import posixpath
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from typing import Final

import orjson

from bot.errors import Problem, RenderError
from bot.model.app import AppSpec, HelmSpec, Render
from bot.model.image import ImageName
from bot.model.resource import DesiredState, KindTable, Manifest
from bot.model.source import SourceFile, SourceTree
from bot.render import buckets
from bot.render.charts import Chart, Charts
from bot.render.checkout import Checkout, CommitFiles
from bot.render.documents import CACHED_MANIFESTS, Documents, Holding, desired_state, digest_of, read_bytes
from bot.render.files import is_manifest, select
from bot.render.helm import CHART_FILE, Helm, Release, capabilities
from bot.render.images import Place, in_objects, in_values
from bot.render.kustomization import NAMES
from bot.render.kustomize import Built, Kustomize, kustomization_in
from bot.render.objects import duplicates, encrypted_values
from bot.render.programs import Programs
from bot.render.sops import Sops, is_encrypted

_CHART_AGE: Final = timedelta(seconds=60)  # the least time between two questions for a range of chart versions

Kinds = Callable[[], KindTable]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendered:
    """What was rendered and of what: the settings, the paths that were read, and Git's hashes of them."""

    settings: str
    commit: str
    roots: tuple[str, ...]
    hashes: tuple[str, ...]
    served: str  # digest of what the cluster serves, when a chart could ask; "" otherwise
    state: weakref.ref[DesiredState]  # who holds an app at rest holds it too, however many objects a fleet has


@dataclass(frozen=True, slots=True)
class _Made:
    """One rendering: the objects, their digests, and the paths they depend on."""

    manifests: tuple[Manifest, ...]
    digests: tuple[bytes, ...]
    roots: tuple[str, ...]
    sources: tuple[Holding, ...] = ()
    is_chart: bool = False


class Renderer:
    """Renders apps. Safe to call from several threads at once. `key` is in the digests of what is rendered."""

    def __init__(
        self, *, programs: Programs, sops: Sops, charts: Charts, key: bytes, cached: int = CACHED_MANIFESTS
    ) -> None:
        self._programs = programs
        self._documents = Documents(cached_manifests=cached)
        self._kustomize = Kustomize(programs)
        self._helm = Helm(programs)
        self._sops = sops
        self._charts = charts
        self._key = key
        self._limit = cached
        self._lock = Lock()
        self._rendered: dict[str, _Rendered] = {}  # by app; guarded by _lock
        self._kept: OrderedDict[str, DesiredState] = OrderedDict()  # whether or not others hold them; guarded by _lock
        self._count = 0  # of the objects kept

    def render(self, app: AppSpec, files: CommitFiles, *, kinds: Kinds) -> DesiredState:
        """Return what the commit wants of the app; the same object as before when nothing it reads has changed.

        Raises `RenderError` with every problem, each at `path:line`, and `SourceError` and `ChartError`.
        """
        chart = self._chart(app)
        settings = _settings(app, chart)
        with self._lock:
            known = self._rendered.get(app.key)
        then = known.state() if known is not None and known.settings == settings else None
        if known is not None and then is not None and (not known.served or known.served == _served(kinds)):
            if known.commit == files.commit:
                return then
            if files.repo.hashes(files.commit, known.roots) == known.hashes:
                self._remember(app.key, replace(known, commit=files.commit), then)
                return then
        made = self._render(app, files, chart, kinds)
        state = desired_state(made.manifests, made.digests, self._key, sources=made.sources)
        rendered = _Rendered(
            settings=settings,
            commit=files.commit,
            roots=made.roots,
            hashes=files.repo.hashes(files.commit, made.roots),
            served=_served(kinds) if made.is_chart else "",
            state=weakref.ref(state),
        )
        self._remember(app.key, rendered, state)
        return state

    def roots(self, app: AppSpec) -> tuple[str, ...]:
        """Return the paths that the app's last rendering was made of; its own before the first."""
        with self._lock:
            known = self._rendered.get(app.key)
        return known.roots if known is not None else (app.path,)

    def resolved(self, app: AppSpec) -> str:
        """Return the digest of the remote chart an app uses today, "" when it uses none. Cheap while it is fresh."""
        chart = self._chart(app)
        return chart.digest if chart is not None else ""

    def missing_tools(self, app: AppSpec, files: CommitFiles) -> tuple[str, ...]:
        """Return what to say of each program the app needs and lacks. Raises `SourceError`."""
        needed = {Render.KUSTOMIZE: ["kustomize"], Render.HELM: ["helm"]}.get(self.tool(app, files), [])
        if any(is_encrypted(file.data) for file in files.repo.tree(files.commit, app.path).files):
            needed = [*needed, "sops"]
        said = [self._programs.missing(name) for name in needed]
        if app.helm is not None and app.helm.is_bucket:
            said.append(buckets.missing())
        return tuple(filter(None, said))

    def images(self, app: AppSpec, files: CommitFiles, image: ImageName) -> tuple[Place, ...]:
        """Return where the app's own files give an image its tag. Raises `SourceError`."""
        checkout = Checkout(files)

        def own(path: str) -> bool:
            return not app.path or path.startswith(f"{app.path}/")

        match self.tool(app, files):
            case Render.HELM:
                layers = self._helm.layers(checkout, app.path, app.helm or HelmSpec())
                named = {file.path for file in layers[1:] if file is not None}  # the first is the chart's own
                found = in_values([file for file in layers if file is not None], image)
                return tuple(place for place in found if place.path in named or own(place.path))
            case Render.KUSTOMIZE:
                if checkout.add_folder(app.path) and kustomization_in(checkout, app.path):
                    self._kustomize.gather(checkout, app.path, hosts=app.remote_hosts)
                return in_objects([checkout.files[path] for path in sorted(checkout.used) if own(path)], image)
            case _:
                selection = select(files.repo.tree(files.commit, app.path))
                return in_objects([file for file in selection.files if is_manifest(file.path)], image)

    # --- choosing ---------------------------------------------------------------------------------------------

    def _chart(self, app: AppSpec) -> Chart | None:
        if app.helm is None or not app.helm.repo or app.render not in {Render.AUTO, Render.HELM}:
            return None
        return self._charts.chart(app.helm, max_age=max(app.interval, _CHART_AGE))

    def tool(self, app: AppSpec, files: CommitFiles) -> Render:
        """Return what renders the app at a commit, never AUTO."""
        if app.render is not Render.AUTO:
            return app.render
        if app.helm is not None:
            return Render.HELM
        start = f"{app.path}/" if app.path else ""
        names = {
            file.path
            for file in files.repo.tree(files.commit, app.path).files
            if file.path.count("/") == start.count("/")
        }
        if f"{start}{CHART_FILE}" in names:
            return Render.HELM
        return Render.KUSTOMIZE if any(f"{start}{name}" in names for name in NAMES) else Render.YAML

    def _render(self, app: AppSpec, files: CommitFiles, chart: Chart | None, kinds: Kinds) -> _Made:
        match self.tool(app, files):
            case Render.HELM:
                return self._render_chart(app, files, chart, kinds)
            case Render.KUSTOMIZE:
                return self._render_kustomization(app, files)
            case _:
                return self._render_plain(app, files.repo.tree(files.commit, app.path))

    # --- the three ways ---------------------------------------------------------------------------------------

    def _render_plain(self, app: AppSpec, tree: SourceTree) -> _Made:
        selection = select(tree)
        foreign = _made_for_other_tools(selection.files)
        problems = [*selection.problems, *foreign.values()]
        files = [file for file in selection.files if is_manifest(file.path) and file.path not in foreign]
        sources = [self._holding(app, file) for file in files]
        for holding in sources:
            problems.extend(holding.problems)
        manifests = [one for holding in sources for one in holding.manifests]
        digests = [one for holding in sources for one in holding.digests]
        return replace(_checked(manifests, digests, problems, (app.path,)), sources=tuple(sources))

    def _holding(self, app: AppSpec, file: SourceFile) -> Holding:
        if not is_encrypted(file.data):
            return self._documents.read(file, values=app.substitute)
        plain = self._sops.decrypted(file)
        if isinstance(plain, Problem):
            return Holding(problems=(plain,))
        holding = self._documents.read(plain, values=app.substitute)
        return holding if plain is file else holding.at_lines_of(read_bytes(file.data))

    def _render_kustomization(self, app: AppSpec, files: CommitFiles) -> _Made:
        checkout = Checkout(files)
        if not checkout.add_folder(app.path):
            files.repo.tree(files.commit, app.path)  # says why it is no folder
        if not any(posixpath.join(app.path, name) in checkout.files for name in NAMES):
            raise RenderError([Problem(message="the folder has no kustomization.yaml", where=f"{app.path or '.'}:1")])
        problems = [*self._kustomize.gather(checkout, app.path, hosts=app.remote_hosts), *self._decrypt(checkout)]
        built = Built() if problems else self._kustomize.build(checkout, app.path, values=app.substitute)
        return _of_tool(built, problems, checkout.roots)

    def _render_chart(self, app: AppSpec, files: CommitFiles, chart: Chart | None, kinds: Kinds) -> _Made:
        checkout = Checkout(files)
        spec = app.helm or HelmSpec()
        release = Release(
            spec=spec,
            folder=app.path,
            name=spec.release or app.name,
            namespace=app.namespace,
            kinds=kinds(),
            archive=chart,
        )
        where = f"{posixpath.join(app.path, CHART_FILE)}:1"
        problems = [*self._helm.gather(checkout, release, where=where), *self._decrypt(checkout)]
        built = Built() if problems else self._helm.build(checkout, release, values=app.substitute)
        return replace(_of_tool(built, problems, checkout.roots), is_chart=True)

    def _decrypt(self, checkout: Checkout) -> list[Problem]:
        problems = []
        for path in sorted(checkout.used):
            file = checkout.files.get(path)
            if file is None or not is_encrypted(file.data):
                continue
            plain = self._sops.decrypted(file)
            if isinstance(plain, Problem):
                problems.append(plain)
            else:
                checkout.replace(plain)
        return problems

    def _remember(self, key: str, rendered: _Rendered, state: DesiredState) -> None:
        with self._lock:
            self._rendered[key] = rendered
            before = self._kept.pop(key, None)
            self._count -= _size(before) if before is not None else 0
            if _size(state) > self._limit:
                return
            self._kept[key] = state
            self._count += _size(state)
            while self._count > self._limit:
                self._count -= _size(self._kept.popitem(last=False)[1])


def _size(state: DesiredState) -> int:
    return len(state.manifests) + 1


def _settings(app: AppSpec, chart: Chart | None) -> str:
    """Return a digest of all but the commit that decides what is rendered."""
    helm = app.helm
    facts: list[object] = [
        app.repo,
        app.path,
        app.render.value,
        sorted((app.substitute or {}).items()),
        app.substitute is None,
        app.remote_hosts,
    ]
    if app.render is Render.HELM or helm is not None or app.render is Render.AUTO:
        spec = helm or HelmSpec()
        facts += [spec.chart, spec.values, spec.release or app.name, app.namespace, chart.digest if chart else ""]
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()


def _served(kinds: Kinds) -> str:
    """Return a digest of what a chart may know of the cluster."""
    table = kinds()
    return hashlib.sha256(orjson.dumps([table.server_version(), capabilities(table)])).hexdigest()


def _checked(
    manifests: Sequence[Manifest], digests: Iterable[bytes], problems: Sequence[Problem], roots: tuple[str, ...]
) -> _Made:
    """Return a rendering that nothing is wrong with. Raises `RenderError`."""
    found = [*problems, *duplicates(manifests), *encrypted_values(manifests)]
    if found:
        raise RenderError(found)
    return _Made(tuple(manifests), tuple(digests), roots)


def _of_tool(built: Built, problems: Sequence[Problem], roots: tuple[str, ...]) -> _Made:
    return _checked(built.manifests, map(digest_of, built.manifests), [*problems, *built.problems], roots)


def _made_for_other_tools(files: Sequence[SourceFile]) -> dict[str, Problem]:
    tools = {**dict.fromkeys(NAMES, "kustomize"), CHART_FILE: "helm"}
    found = ((file.path, tools.get(file.path.rpartition("/")[2])) for file in files)
    return {
        path: Problem(
            message=f"this file is for {tool} and lies in an app of plain YAML: make its folder the app's path, refer "
            "to it from a kustomization at the app's path, or list it in .gitopsignore",
            where=f"{path}:1",
        )
        for path, tool in found
        if tool is not None
    }
