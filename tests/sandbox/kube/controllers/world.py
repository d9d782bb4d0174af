"""A cluster with its controllers and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.api import Api
from bot.sandbox.kube.controllers import Controllers, Images
from bot.sandbox.kube.housekeeping import Housekeeper
from bot.sandbox.kube.ports import Body, Propagation

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
NAMESPACE: Final = "shop"


class World:
    """`live` lets time pass; everything that comes due in it happens, in order."""

    def __init__(self, images: Images | None = None) -> None:
        self.now = START
        self.cluster = Api(clock=lambda: self.now)
        self._housekeeper = Housekeeper(self.cluster)
        self.life = Controllers(self.cluster, images=images, ca="CA")
        self.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.live(0)

    def live(self, seconds: float) -> None:
        end, turns = self.now + timedelta(seconds=seconds), 0
        while True:
            due = self.life.turn()
            assert (turns := turns + 1) < 10_000, "the controllers do not settle"
            if self._housekeeper.tidy():
                continue
            if due is None or due > end:
                break
            self.now = max(due, self.now)
        self.now = end

    def create(self, resource: str, body: Body) -> Body:
        return self.cluster.create(resource, body, manager="test")

    def update(self, resource: str, name: str, namespace: str = NAMESPACE, **spec: Any) -> None:
        """Change fields of a spec."""
        self.cluster.patch(resource, namespace, name, {"spec": spec}, manager="test")

    def delete(self, resource: str, name: str, namespace: str = NAMESPACE) -> None:
        """Delete as kubectl does."""
        self.cluster.delete(resource, namespace, name, propagation=Propagation.BACKGROUND)

    def get(self, resource: str, name: str, namespace: str = NAMESPACE) -> Any:
        found = self.cluster.get(resource, namespace, name)
        assert found is not None, f"{resource} {name} is not there"
        return found

    def status(self, resource: str, name: str) -> Any:
        return self.get(resource, name).get("status") or {}

    def names(self, resource: str) -> list[str]:
        return sorted(str(one["metadata"]["name"]) for one in self.cluster.list(resource))

    def pods(self) -> Sequence[Any]:
        return sorted(self.cluster.list("pods"), key=lambda one: str(one["metadata"]["name"]))

    def states(self) -> list[str]:
        """Return the state of the first container of each Pod: `running`, `ready`, or a reason."""
        return [_state(pod["status"]["containerStatuses"][0]) for pod in self.pods()]

    def told(self, name: str) -> list[str]:
        """Return the events about an object as `Reason: message`."""
        events: Sequence[Any] = sorted(self.cluster.list("events"), key=lambda one: int(_version(one)))
        return [f"{one['reason']}: {one['message']}" for one in events if one["involvedObject"]["name"] == name]


def named(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **fields}


def template(image: str = "shop/api:1", app: str = "web", **spec: Any) -> dict[str, Any]:
    containers = [{"name": "main", "image": image}]
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers, **spec}}


def workload(kind: str, image: str = "shop/api:1", name: str = "web", **spec: Any) -> dict[str, Any]:
    """Return a workload of `apps/v1` with a selector for its template."""
    selector = {"matchLabels": {"app": name}}
    return named("apps/v1", kind, name, spec={"selector": selector, "template": template(image, name), **spec})


def deployment(image: str = "shop/api:1", name: str = "web", replicas: int = 1, **spec: Any) -> dict[str, Any]:
    """Return a Deployment with the defaults of the API server."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    defaults = {"strategy": rolling, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10}
    return workload("Deployment", image, name, replicas=replicas, **{**defaults, **spec})


def condition(status: Any, type: str) -> Any:
    return next((one for one in status.get("conditions") or () if one["type"] == type), None)


def _version(body: Any) -> str:
    return str(body["metadata"]["resourceVersion"])


def _state(status: Any) -> str:
    if "waiting" in status["state"]:
        return str(status["state"]["waiting"]["reason"])
    if "terminated" in status["state"]:
        return str(status["state"]["terminated"]["reason"])
    return "ready" if status["ready"] else "running"
