"""What was rendered is given back while nothing it was made of changes, for as long as it is kept or held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from bot.model.resource import DesiredState
from bot.ports.source import Repository
from bot.render import CommitFiles, Renderer
from tests.render.worlds import APP, KINDS, FilesOnly, renderer

KEPT = 10
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


class Fleet:
    """Apps of three objects each, and a renderer that keeps three of them."""

    def __init__(self, folder: Path) -> None:
        files = {f"{app}/{n}.yaml": MANIFEST.format(name=f"c-{app}-{n}") for app in range(9) for n in range(3)}
        self.files = FilesOnly({"c": files})
        self.renderer: Renderer = renderer(folder, kept=KEPT)

    def render(self, app: int) -> DesiredState:
        source = CommitFiles(cast(Repository, self.files), "c")
        return self.renderer.render(replace(APP, name=f"app-{app}", path=f"{app}"), source, kinds=lambda: KINDS)

    def reads(self) -> int:
        return self.files.questions["tree"]


def test_rendering_that_somebody_holds_is_given_back_in_a_fleet_of_any_size(tmp_path: Path) -> None:
    """A fleet of more objects than were kept was rendered whole again by each pass over any app of it."""
    fleet = Fleet(tmp_path)
    held = [fleet.render(app) for app in range(9)]
    before = fleet.reads()
    assert all(fleet.render(app) is held[app] for app in range(9))
    assert fleet.reads() == before


def test_rendering_that_nobody_holds_is_kept_up_to_a_limit(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    for app in range(9):
        fleet.render(app)
    before = fleet.reads()
    fleet.render(8)
    fleet.render(7)
    assert fleet.reads() == before
    fleet.render(0)
    assert fleet.reads() > before


def test_app_of_more_objects_than_are_kept_reads_only_the_files_that_changed(tmp_path: Path) -> None:
    """Each commit to an app of more files than were kept parsed all of them again."""
    files = {f"app/{n:03}.yaml": MANIFEST.format(name=f"c-{n}") for n in range(3 * KEPT)}
    source = FilesOnly({"c": files, "d": {**files, "app/003.yaml": MANIFEST.format(name="other")}})
    one = renderer(tmp_path, kept=KEPT)

    def render(commit: str) -> DesiredState:
        return one.render(replace(APP, path="app"), CommitFiles(cast(Repository, source), commit), kinds=lambda: KINDS)

    before, after = render("c"), render("d")
    pairs = enumerate(zip(before.manifests, after.manifests, strict=True))
    assert [number for number, (then, now) in pairs if then is not now] == [3]
