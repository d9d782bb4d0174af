"""Objects on one of the two servers, made and watched as a test needs it; and what of them must be the same on both."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bot.health.rules import assess
from bot.model.outcome import Health
from tests.contract.servers import Server
from tests.waiting import until

Body = dict[str, Any]

GOOD: Final = "shop/api:1"
NEVER_READY: Final = "gitops-bot.test/never-ready:1"
DEPLOYMENTS = "deployments.apps"
BAD_IMAGE: Final = "gitops-bot.test/bad-image:1"
CRASH_LOOP: Final = "gitops-bot.test/crash-loop:1"
FAILING_JOB: Final = "gitops-bot.test/failing-job:1"

_BASES: Final = {
    "apps": "/apis/apps/v1",
    "batch": "/apis/batch/v1",
    "policy": "/apis/policy/v1",
    "autoscaling": "/apis/autoscaling/v2",
    "discovery.k8s.io": "/apis/discovery.k8s.io/v1",
    "": "/api/v1",
}


class Life:
    """One namespace. Resources are named as kubectl does, `deployments.apps`."""

    def __init__(self, server: Server, namespace: str) -> None:
        self.server, self.namespace = server, namespace

    def path(self, resource: str, name: str = "") -> str:
        plural, _, group = resource.partition(".")
        place = f"{_BASES[group]}/namespaces/{self.namespace}/{plural}"
        return f"{place}/{name}" if name else place

    def create(self, resource: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> Any:
        body = {"metadata": {"name": name, **metadata}, "spec": spec}
        return self.server.request("POST", self.path(resource), body=body)

    def get(self, resource: str, name: str) -> Any:
        """Return an object, None when there is none."""
        try:
            return self.server.request("GET", self.path(resource, name))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def list(self, resource: str) -> Sequence[Any]:
        """Return the objects of the namespace by name."""
        items: Sequence[Any] = self.server.request("GET", self.path(resource))["items"]
        return sorted(items, key=lambda one: str(one["metadata"]["name"]))

    def patch(self, resource: str, name: str, **fields: Any) -> None:
        self.server.request("PATCH", self.path(resource, name), body=fields, kind="merge")

    def delete(self, resource: str, name: str, propagation: str = "Background") -> None:
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        self.server.request("DELETE", self.path(resource, name), body=body)

    def once(self, resource: str, name: str, ready: Callable[[Any], Any], what: str) -> Any:
        """Return the object as soon as `ready` says so; `what` names the wait when it is in vain."""

        def look() -> Any:
            found = self.get(resource, name)
            return found if found is not None and ready(found) else None

        return until(look, f"{resource} {name} {what}")

    def health(self, resource: str, name: str) -> Health:
        """Return what the bot says of a workload and its Pods."""
        found = self.get(resource, name)
        kind = {"deployments.apps": "Deployment", "statefulsets.apps": "StatefulSet", "jobs.batch": "Job"}[resource]
        return assess({"kind": kind, "apiVersion": f"{resource.partition('.')[2]}/v1", **found}, self.list("pods"))

    def told(self, name: str) -> set[str]:
        """Return the reasons of the Events about an object."""
        return {one["reason"] for one in self.list("events") if one["involvedObject"]["name"] == name}


def template(image: str = GOOD, app: str = "web", **spec: Any) -> Body:
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "main", "image": image}], **spec},
    }


def workload(image: str = GOOD, app: str = "web", **spec: Any) -> Body:
    return {"selector": {"matchLabels": {"app": app}}, "template": template(image, app), **spec}


def job(image: str = GOOD, restart: str = "Never", **spec: Any) -> Body:
    return {"template": template(image, restartPolicy=restart), **spec}


def status_of(body: Any) -> Body:
    """Return a status without times and without the names that differ from server to server."""
    volatile = {"startTime", "completionTime", "conditions", "currentRevision", "updateRevision"}
    status = body.get("status") or {}
    return {key: value for key, value in status.items() if key not in volatile}


def conditions_of(body: Any) -> list[tuple[str, str, str, str]]:
    """Return type, status, reason and message of each condition, in their order; hashes are `HASH`."""
    name = body["metadata"]["name"]
    return [
        (one["type"], one["status"], one.get("reason", ""), _masked(one.get("message", ""), name))
        for one in (body.get("status") or {}).get("conditions") or ()
    ]


def managers_of(body: Any) -> set[tuple[str, str, str]]:
    """Return who owns fields: manager, operation, subresource."""
    return {(one["manager"], one["operation"], one.get("subresource", "")) for one in body["metadata"]["managedFields"]}


def waiting_of(pods: Sequence[Any]) -> list[str]:
    """Return the reason why the first container of each Pod waits, or `running`."""
    states = [(pod["status"].get("containerStatuses") or [{"state": {}}])[0]["state"] for pod in pods]
    return [(state.get("waiting") or {}).get("reason") or next(iter(state), "") for state in states]


def _masked(message: str, name: str) -> str:
    start = f'"{name}-'
    before, found, after = message.partition(start)
    return f'{before}{start}HASH"{after.partition(chr(34))[2]}' if found else message


def rolled_out(life: Life, generation: int = 1) -> None:
    """Wait until a Deployment is all new, and its old Pods are gone."""
    done = ("Progressing", "NewReplicaSetAvailable")
    life.once(
        DEPLOYMENTS,
        "web",
        lambda one: (
            one["status"].get("observedGeneration") == generation
            and done in [(said[0], said[2]) for said in conditions_of(one)]
            and one["status"].get("terminatingReplicas") == 0
            and {one["status"].get(count, 0) for count in ("replicas", "updatedReplicas", "availableReplicas")}
            == {one["spec"]["replicas"]}
        ),
        "rolls out",
    )
