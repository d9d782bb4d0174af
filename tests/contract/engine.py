"""One app on an API server, driven through the same parts a terminal's `sync` and the running bot use."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from bot.model.announcement import Announcement
from bot.model.app import AppSpec
from bot.model.control import Trigger, Via
from bot.model.outcome import Result, SyncReport
from bot.model.plan import Plan, PlanFailure
from bot.model.record import AppMemory, SinkName
from bot.reconcile.schedule.loop import Loop
from bot.settings import load
from bot.wiring import Engine, build_engine, build_loop
from tests.contract.servers import Server
from tests.source.upstream import Upstream
from tests.waiting import PATIENCE_SECONDS, until

CHANNEL: Final = "C0TEST"
PATIENCE: Final = timedelta(seconds=PATIENCE_SECONDS)  # with whoever else holds what is needed
_ENVIRONMENT: Final = {"SLACK_BOT_TOKEN": "xoxb-test", "SLACK_SIGNING_SECRET": "signing"}


def now() -> datetime:
    return datetime.now(tz=UTC)


class EngineWorld:
    """Apps `shop` and `other` in a namespace of their own; `files` of a commit lie below their paths.

    Settings of both apps are given by name; `configuration` replaces sections of the file.
    """

    def __init__(
        self,
        tmp_path: Path,
        plane: Server,
        namespace: str,
        *,
        configuration: Mapping[str, Any] | None = None,
        server: str = "",
        clock: Callable[[], datetime] = now,
        **app: Any,
    ) -> None:
        self.plane, self.namespace, self._clock = plane, namespace, clock
        self.upstream = Upstream(tmp_path / "fleet.git")
        spec = {"repo": "fleet", "cluster": "prod", "namespace": namespace, "timeout": "60s", "interval": "1s", **app}
        self.file = tmp_path / "gitops-bot.yaml"
        self.configuration: dict[str, Any] = {
            "instance": namespace,
            "clusters": [{"name": "prod", "kubeconfig": server or plane.kubeconfig, "namespace": namespace}],
            "repos": [{"name": "fleet", "url": str(self.upstream.path)}],
            "apps": [{"name": name, "path": f"apps/{name}", **spec} for name in ("shop", "other")],
            "slack": {"mode": "http", "default_channel": CHANNEL},
            "retry": {"first": "1s", "max": "2s"},
            **(configuration or {}),
        }
        self.engine: Engine = self._built()

    def _built(self) -> Engine:
        self.file.write_bytes(orjson.dumps(self.configuration))
        return build_engine(load(self.file, _ENVIRONMENT), clock=self._clock)

    def restart(self, **app: Any) -> None:
        """Begin anew as a fresh process would, with settings of both apps changed."""
        self.engine.close()
        self.configuration["apps"] = [{**one, **app} for one in self.configuration["apps"]]
        self.engine = self._built()

    def close(self) -> None:
        self.engine.close()

    @contextmanager
    def running(self) -> Iterator[Loop]:
        """Let the bot's loop run its passes."""
        loop = build_loop(self.engine, clock=now, beat=lambda: None)
        loop.start()
        try:
            yield loop
        finally:
            self.engine.loop.attach(None)
            assert loop.stop(timeout=PATIENCE)

    # --- Git --------------------------------------------------------------------------------------------------

    def commit(self, files: Mapping[str, str | bytes | None], *, app: str = "shop") -> str:
        return self.upstream.commit({f"apps/{app}/{name}": text for name, text in files.items()})

    # --- the bot ----------------------------------------------------------------------------------------------

    def spec(self, app: str = "shop") -> AppSpec:
        return self.engine.passes.apps[f"prod/{app}"]

    def memory(self, app: str = "shop") -> AppMemory:
        return self.engine.store.memory(f"prod/{app}")

    def plan(self, app: str = "shop") -> Plan | PlanFailure:
        return self.engine.desk.plan(f"prod/{app}", "")

    def planned(self, app: str = "shop") -> Plan:
        plan = self.plan(app)
        assert isinstance(plan, Plan), plan
        return plan

    def sync(
        self,
        app: str = "shop",
        *,
        confirm: str | None = None,
        trigger: Trigger | None = None,
        stop: bool = False,
        leaves: Callable[[], bool] = lambda: False,
    ) -> SyncReport:
        """Run a pass; `stop` ends what it waits for, `leaves` its writes."""
        asked = trigger or Trigger(via=Via.CLI, by="os:ana", confirm=confirm)
        report = self.engine.passes.perform(
            self.spec(app), asked, stop=lambda _: stop, patience=PATIENCE, leaves=leaves
        )
        assert report is not None
        return report

    def tick(self, app: str = "shop") -> SyncReport:
        """Run the pass that the schedule would run."""
        return self.sync(app, trigger=Trigger(via=Via.SCHEDULE))

    def look(self, app: AppSpec | None = None) -> SyncReport:
        """Run the pass that a push or the schedule runs: what watches tell is good enough for it."""
        report = self.engine.passes.perform(
            app or self.spec(), Trigger(via=Via.WEBHOOK), stop=lambda _: False, patience=PATIENCE, since=now()
        )
        assert report is not None
        return report

    def at_rest(self) -> SyncReport:
        """Return the report of a pass that found nothing to do and worked nothing out."""

        def found() -> SyncReport | None:
            first, second = self.look(), self.look()
            same = first.plan is not None and second.plan is not None and first.plan.changes is second.plan.changes
            return second if same else None

        report: SyncReport = until(found, "the app is at rest")
        assert report.result is Result.CONVERGED
        assert report.plan is not None
        assert report.plan.writes == ()
        return report

    def heard(self) -> tuple[Announcement, ...]:
        """Take what waits for Slack out of the outbox."""
        store, found = self.engine.store, []
        while True:
            taken = [
                one
                for lane in store.due_lanes(SinkName.SLACK, now=now())
                if (one := store.claim(SinkName.SLACK, lane, now=now()))
            ]
            for one in taken:
                assert isinstance(one.parcel, Announcement)
                found.append(one.parcel)
                store.delivered(one.id)
            if not taken:
                return tuple(found)

    def inventory(self, app: str = "shop") -> set[str]:
        """Return the objects the app's parent lists."""
        return {str(ref.id) for ref in self.engine.world.clusters["prod"].load_inventory(self.spec(app)).refs}

    # --- the cluster ------------------------------------------------------------------------------------------

    def path(self, plural: str, name: str = "", *, base: str = "/api/v1") -> str:
        return f"{base}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def get(self, plural: str, name: str, *, base: str = "/api/v1") -> dict[str, Any] | None:
        """Return an object of the namespace, None when there is none."""
        return self.read(self.path(plural, name, base=base))

    def found(self, plural: str, name: str, *, base: str = "/api/v1") -> dict[str, Any]:
        live = self.get(plural, name, base=base)
        assert live is not None, f"{plural} {name} does not exist"
        return live

    def read(self, path: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.plane.request("GET", path)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise
        return found

    def patch(self, plural: str, name: str, body: Mapping[str, Any], *, base: str = "/api/v1") -> None:
        self.plane.request("PATCH", self.path(plural, name, base=base), body=body, kind="merge")

    def create(self, plural: str, body: Mapping[str, Any], *, base: str = "/api/v1") -> None:
        self.plane.request("POST", self.path(plural, base=base), body=body)

    def delete(self, path: str) -> None:
        self.plane.request("DELETE", path)
