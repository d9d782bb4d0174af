"""Who has to look again when an object changed: its owner, and those that look at it from the side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from bot.sandbox.kube.controllers import autoscaler, service, volume_use, volumes
from bot.sandbox.kube.controllers.disruption import RESOURCE as BUDGETS
from bot.sandbox.kube.controllers.namespace import ACCOUNT, ROOT_CA
from bot.sandbox.kube.controllers.objects import (
    controller_of,
    is_subset,
    labels_of,
    name_of,
    namespace_of,
    selects,
    spec_of,
)
from bot.sandbox.kube.controllers.scheduler import claims_of
from bot.sandbox.kube.controllers.view import Key, View, key_of
from bot.sandbox.kube.ports import Body

# Kinds that own what the controllers make, as resources.
_OWNERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Deployment": "deployments.apps",
        "ReplicaSet": "replicasets.apps",
        "StatefulSet": "statefulsets.apps",
        "DaemonSet": "daemonsets.apps",
        "Job": "jobs.batch",
        "CronJob": "cronjobs.batch",
        "Service": "services",
    }
)


def related(resource: str, body: Body, view: View) -> Iterator[Key]:
    """Return the keys to decide anew after a change of an object; the object itself is not among them."""
    owner = controller_of(body) or {}
    if (owned_by := _OWNERS.get(str(owner.get("kind")))) is not None:
        yield Key(owned_by, namespace_of(body), str(owner.get("name")))
    if (look := _BESIDE.get(resource)) is not None:
        yield from look(body, view)


def _beside_pod(pod: Body, view: View) -> Iterator[Key]:
    namespace = namespace_of(pod)
    for one in view.within("services", namespace):
        selector = spec_of(one).get("selector")
        if selector and is_subset(selector, labels_of(pod)):
            yield key_of("services", one)
    for one in view.within(BUDGETS, namespace):
        if selects(spec_of(one).get("selector"), labels_of(pod)):
            yield key_of(BUDGETS, one)
    for name in claims_of(pod):
        yield Key(volume_use.CLAIMS, namespace, name)
    owner = controller_of(pod) or {}
    if owner.get("kind") == "ReplicaSet":
        # A Deployment that recreates waits for the Pods of its old ReplicaSets.
        replica_set = view.get("replicasets.apps", namespace, str(owner.get("name")))
        above = controller_of(replica_set or {}) or {}
        if above.get("kind") == "Deployment":
            yield Key("deployments.apps", namespace, str(above.get("name")))
    if not owner:
        for resource in ("replicasets.apps", "statefulsets.apps", "daemonsets.apps", "jobs.batch"):
            yield from _choosing(resource, pod, view)


def _beside_replica_set(replica_set: Body, view: View) -> Iterator[Key]:
    yield from _scaled("replicasets.apps", replica_set, view)
    if controller_of(replica_set) is None:
        yield from _choosing("deployments.apps", replica_set, view)


def _choosing(resource: str, orphan: Body, view: View) -> Iterator[Key]:
    for one in view.within(resource, namespace_of(orphan)):
        if selects(spec_of(one).get("selector"), labels_of(orphan)):
            yield key_of(resource, one)


def _scaled(resource: str, body: Body, view: View) -> Iterator[Key]:
    for one in view.within(autoscaler.RESOURCE, namespace_of(body)):
        if autoscaler.target_of(one) == key_of(resource, body):
            yield key_of(autoscaler.RESOURCE, one)
    for one in view.within(BUDGETS, namespace_of(body)):
        yield key_of(BUDGETS, one)


def _beside_job(job: Body, view: View) -> Iterator[Key]:
    for pod in view.owned("pods", job):
        yield key_of("pods", pod)


def _beside_claim(claim: Body, view: View) -> Iterator[Key]:
    if volume := spec_of(claim).get("volumeName"):
        yield Key(volumes.VOLUMES, "", str(volume))
    for one in view.within(volumes.VOLUMES):
        wanted = spec_of(one).get("claimRef") or {}
        if wanted.get("namespace") == namespace_of(claim) and wanted.get("name") == name_of(claim):
            yield key_of(volumes.VOLUMES, one)
    for pod in view.within("pods", namespace_of(claim)):
        if not spec_of(pod).get("nodeName") and name_of(claim) in claims_of(pod):
            yield key_of("pods", pod)


def _beside_volume(volume: Body, view: View) -> Iterator[Key]:
    wanted = spec_of(volume).get("claimRef") or {}
    for one in view.everywhere(volume_use.CLAIMS):
        mine = (namespace_of(one), name_of(one)) == (wanted.get("namespace"), wanted.get("name"))
        if mine or not spec_of(one).get("volumeName") or spec_of(one)["volumeName"] == name_of(volume):
            yield key_of(volume_use.CLAIMS, one)


def _beside_class(storage: Body, view: View) -> Iterator[Key]:
    for one in view.everywhere(volume_use.CLAIMS):
        if not spec_of(one).get("volumeName"):
            yield key_of(volume_use.CLAIMS, one)


def _beside_node(node: Body, view: View) -> Iterator[Key]:
    for one in view.everywhere("daemonsets.apps"):
        yield key_of("daemonsets.apps", one)
    for pod in view.everywhere("pods"):
        if not spec_of(pod).get("nodeName"):
            yield key_of("pods", pod)


def _beside_service(body: Body, view: View) -> Iterator[Key]:
    yield Key("endpoints", namespace_of(body), name_of(body))


def _beside_endpoints(body: Body, view: View) -> Iterator[Key]:
    yield Key(service.RESOURCE, namespace_of(body), name_of(body))


def _beside_account(body: Body, view: View) -> Iterator[Key]:
    if name_of(body) == ACCOUNT:
        yield Key("namespaces", "", namespace_of(body))


def _beside_config_map(body: Body, view: View) -> Iterator[Key]:
    if name_of(body) == ROOT_CA:
        yield Key("namespaces", "", namespace_of(body))


_BESIDE: Final[Mapping[str, Callable[[Body, View], Iterator[Key]]]] = MappingProxyType(
    {
        "pods": _beside_pod,
        "replicasets.apps": _beside_replica_set,
        "deployments.apps": lambda body, view: _scaled("deployments.apps", body, view),
        "statefulsets.apps": lambda body, view: _scaled("statefulsets.apps", body, view),
        "jobs.batch": _beside_job,
        volume_use.CLAIMS: _beside_claim,
        volumes.VOLUMES: _beside_volume,
        volumes.CLASSES: _beside_class,
        "nodes": _beside_node,
        "services": _beside_service,
        "endpoints": _beside_endpoints,
        "serviceaccounts": _beside_account,
        "configmaps": _beside_config_map,
    }
)
