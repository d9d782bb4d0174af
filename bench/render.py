"""How long Git and rendering take: `python -m bench.render [DOCUMENTS]`.

A real repository with one manifest a file is read and rendered as the engine does it, the middle of five runs each:
everything new, ten files changed, an unrelated commit, the same commit. Milliseconds of the clock and git processes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bot.cli.main import collect_less
from bot.model.resource import DesiredState, KindTable
from bot.model.source import MAIN
from bot.render import CommitFiles, Renderer
from bot.render.charts import Charts
from bot.render.programs import Limits, Programs
from bot.render.sops import Sops
from bot.source.repository import GitRepository
from bot.source.spec import RepoSpec
from tests.plan.world import app
from tests.source.upstream import Upstream

RUNS = 5
APP = app(path="app", env="", channel="")
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api-{number}
  labels: {{app: api-{number}, version: "{version}"}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: api-{number}}}}}
  template:
    metadata: {{labels: {{app: api-{number}}}}}
    spec:
      containers:
      - name: api
        image: registry.example.com/api:{version}
        ports: [{{containerPort: 8080}}]
        env:
        - {{name: LOG_LEVEL, value: info}}
        - {{name: FILLER, value: {filler}}}
"""


class Bench:
    """One repository, and our side of it."""

    def __init__(self, folder: Path, documents: int) -> None:
        self.upstream = Upstream(folder / "fleet.git")
        self.documents = documents
        self.version = 0
        self.held: DesiredState | None = None  # as an app at rest holds what it was rendered to
        self.repo = GitRepository(
            RepoSpec(name="fleet", url=str(self.upstream.path)), directory=folder / "cache", clock=now
        )
        programs = Programs(paths={}, limits=Limits())
        charts = Charts(programs, folder=folder / "charts", clock=now, secret=str, environment={})
        self.renderer = Renderer(key=b"bench", programs=programs, sops=Sops(programs, environment={}), charts=charts)

    def commit(self, changed: int) -> str:
        """Change this many manifests; none changes a file elsewhere."""
        self.version += 1
        names: dict[str, str | bytes | None] = {
            f"app/{number % 10}/{number}.yaml": MANIFEST.format(number=number, version=self.version, filler="x" * 1500)
            for number in range(changed)
        }
        return self.upstream.commit(names or {"README": str(self.version)})

    def timed(self, commit: Callable[[], str]) -> tuple[float, ...]:
        """Return the middle of: reading and rendering, asking and fetching before it, processor time of both; in ms."""
        asks, renders, used = [], [], []
        for _ in range(RUNS):
            commit()
            busy, start = sum(os.times()[:4]), time.perf_counter()
            head = self.repo.head(MAIN, newer_than=now())
            asked = time.perf_counter()
            self.held = self.renderer.render(APP, CommitFiles(self.repo, head), kinds=KindTable)
            asks.append(asked - start)
            renders.append(time.perf_counter() - asked)
            used.append(sum(os.times()[:4]) - busy)
        return tuple(statistics.median(one) * 1000 for one in (renders, asks, used))


def now() -> datetime:
    return datetime.now(tz=UTC)


def main(arguments: list[str]) -> int:
    collect_less()  # as every command does
    documents = int(arguments[0]) if arguments else 1000
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), documents)
        rows: list[tuple[str, Callable[[], str]]] = [
            (f"all {documents} documents changed", lambda: bench.commit(documents)),
            (f"10 of {documents} changed", lambda: bench.commit(10)),
            ("an unrelated commit", lambda: bench.commit(0)),
            ("the same commit", lambda: ""),
        ]
        sys.stdout.write(f"{'milliseconds':32}{'read and render':>16}{'ask and fetch':>16}{'processor':>16}\n")
        for title, commit in rows:
            sys.stdout.write(f"{title:32}{''.join(f'{one:16.1f}' for one in bench.timed(commit))}\n")
        bench.repo.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
