"""One app on the real API server, driven through the same parts a terminal's `sync` uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bot.model.control import Trigger, Via
from bot.model.outcome import SyncReport
from bot.model.plan import Plan, PlanFailure
from bot.settings import load
from bot.wiring import Engine, build_engine
from tests.controlplane.plane import ControlPlane
from tests.source.upstream import Upstream


def now() -> datetime:
    return datetime.now(tz=UTC)


class EngineWorld:
    """An app `shop` in a namespace of its own; `files` of a commit lie below its path."""

    def __init__(self, tmp_path: Path, plane: ControlPlane, namespace: str, **app: Any) -> None:
        self.plane, self.namespace = plane, namespace
        self.upstream = Upstream(tmp_path / "fleet.git")
        spec = {"repo": "fleet", "cluster": "prod", "namespace": namespace, "timeout": "15s", **app}
        shop = {"name": "shop", "path": "apps/shop", **spec}
        other = {"name": "other", "path": "apps/other", **spec}
        configuration = {
            "instance": namespace,
            "clusters": [{"name": "prod", "kubeconfig": plane.kubeconfig, "namespace": namespace}],
            "repos": [{"name": "fleet", "url": str(self.upstream.path)}],
            "apps": [shop, other],
        }
        file = tmp_path / "gitops-bot.yaml"
        file.write_bytes(orjson.dumps(configuration))
        self.engine: Engine = build_engine(load(file, {}), clock=now)

    def commit(self, files: dict[str, str | None], *, app: str = "shop") -> str:
        return self.upstream.commit({f"apps/{app}/{name}": text for name, text in files.items()})

    def plan(self, app: str = "shop") -> Plan | PlanFailure:
        return self.engine.desk.plan(f"prod/{app}", "")

    def planned(self, app: str = "shop") -> Plan:
        plan = self.plan(app)
        assert isinstance(plan, Plan), plan
        return plan

    def sync(self, app: str = "shop", *, confirm: str | None = None) -> SyncReport:
        spec = self.engine.passes.apps[f"prod/{app}"]
        trigger = Trigger(via=Via.CLI, by="os:ana", confirm=confirm)
        report = self.engine.passes.perform(spec, trigger, stop=lambda _: False, patience=timedelta(seconds=5))
        assert report is not None
        return report

    def get(self, plural: str, name: str, *, base: str = "/api/v1") -> dict[str, Any] | None:
        """Return an object of the namespace, None when there is none."""
        listed = self.plane.request("GET", f"{base}/namespaces/{self.namespace}/{plural}")["items"]
        return next((one for one in listed if one["metadata"]["name"] == name), None)

    def patch(self, plural: str, name: str, body: dict[str, Any], *, base: str = "/api/v1") -> None:
        self.plane.request("PATCH", f"{base}/namespaces/{self.namespace}/{plural}/{name}", body=body, kind="merge")

    def inventory(self, app: str = "shop") -> set[str]:
        """Return the objects the app's parent lists."""
        spec = self.engine.passes.apps[f"prod/{app}"]
        return {str(ref.id) for ref in self.engine.world.clusters["prod"].load_inventory(spec).refs}
