"""What a change reaches beyond its own object: disruption budgets, volumes, versions of a kind, readers of a setting.

Pure; the other half of `impact`. In go changes with their live and predicted bodies, out come sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.model.plan import Action, Change
from bot.model.resource import Body
from bot.plan.judged import Judged, at

_WORKLOADS: Final = frozenset(
    {("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("batch", "CronJob")}
)
_NAMED: Final = _WORKLOADS | {("policy", "PodDisruptionBudget")}
_SETTINGS: Final = frozenset({("", "ConfigMap"), ("", "Secret")})
_SOURCES: Final = {
    "ConfigMap": ("configMapRef", "configMapKeyRef", "configMap"),
    "Secret": ("secretRef", "secretKeyRef", "secret"),
}


def bystanders(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return the changes that a sentence about another object may name: few of those that an app has."""
    return tuple(change for change in changes if change.id[:2] in _NAMED)


def budgets(restarting: Judged, changes: Sequence[Change]) -> str:
    """Return the disruption budgets of the plan that cover a workload's pods, as the end of a sentence."""
    body = restarting.predicted or {}
    labels = at(body, "spec", "template", "metadata", "labels") or {}
    namespace = restarting.change.id.namespace
    found = [
        f"{one.id.kind} {one.id.name} ({_limit(_wanted(one))})"
        for one in changes
        if one.id[:3] == ("policy", "PodDisruptionBudget", namespace)
        and _selects(at(_wanted(one), "spec", "selector"), labels)
    ]
    return f"; covered by {', '.join(found)}" if found else ""


def reach(one: Judged, changes: Sequence[Change]) -> Iterator[str]:
    """Yield sentences about an object that is created or updated."""
    id, live, predicted = one.change.id, one.live or {}, one.predicted or {}
    match (id.group, id.kind):
        case ("policy", "PodDisruptionBudget") if one.live is not None:
            before, after = _limit(live), _limit(predicted)
            if before != after:
                yield f"{id} changes from {before} to {after}"
        case ("", "PersistentVolumeClaim"):
            before, after = (at(body, "spec", "resources", "requests", "storage") for body in (live, predicted))
            if one.live is None:
                yield f"{id} asks for a volume of {after}"
            elif before != after:
                yield f"{id} changes its size from {before} to {after}"
        case ("apiextensions.k8s.io", "CustomResourceDefinition") if one.live is not None:
            yield from _versions(one, _served(live), _served(predicted))
        case ("", "Namespace") if one.live is None:
            yield f"{id} is created"
        case kind if kind in _SETTINGS and one.live is not None:
            yield from _readers(one, changes)
        case kind if kind in _WORKLOADS and one.live is not None:
            yield from _volumes(one, live, predicted)


def _wanted(one: Change) -> Body:
    """Return an object as Git has it; what is unchanged was perhaps not read from the cluster."""
    return one.manifest.body if one.manifest is not None else {}


def _limit(budget: Body) -> str:
    spec = budget.get("spec") or {}
    return next(
        (f"{key} {spec[key]}" for key in ("minAvailable", "maxUnavailable") if spec.get(key) is not None), "no limit"
    )


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    """Tell whether a selector of plain labels matches; expressions are taken as a match of what they do not say."""
    if not isinstance(selector, Mapping) or not selector.get("matchLabels"):
        return False
    return all(labels.get(key) == value for key, value in selector["matchLabels"].items())


def _served(definition: Body) -> set[str]:
    versions = at(definition, "spec", "versions") or ()
    return {str(one.get("name")) for one in versions if one.get("served")}


def _versions(one: Judged, before: set[str], after: set[str]) -> Iterator[str]:
    for gone in sorted(before - after):
        yield f"{one.change.id} no longer serves {gone}: whoever uses it fails"
    for new in sorted(after - before):
        yield f"{one.change.id} serves {new} from now on"


def _readers(one: Judged, changes: Sequence[Change]) -> Iterator[str]:
    """Name the workloads of the plan that read a setting when they start, and do not start anew."""
    id = one.change.id
    readers = [
        other.id
        for other in changes
        if other.action is Action.UNCHANGED
        and other.id[:2] in _WORKLOADS
        and other.id.namespace == id.namespace
        and _reads(_pod_spec(_wanted(other)), id.kind, id.name)
    ]
    for reader in readers:
        yield f"{reader} reads {id.kind} {id.name} when it starts and does not restart by itself"


def _reads(spec: Any, kind: str, name: str) -> bool:
    """Tell whether a container takes its environment from an object: mounted files are renewed by the kubelet."""
    containers = [*(at(spec, "initContainers") or ()), *(at(spec, "containers") or ())]
    sources = [source for one in containers for source in one.get("envFrom") or ()]
    sources += [one.get("valueFrom") or {} for container in containers for one in container.get("env") or ()]
    return any((source.get(key) or {}).get("name") == name for source in sources for key in _SOURCES[kind])


def _volumes(one: Judged, live: Body, predicted: Body) -> Iterator[str]:
    before, after = _claims(live), _claims(predicted)
    for claim in sorted(before - after):
        yield f"{one.change.id} no longer mounts PersistentVolumeClaim {claim}"
    for claim in sorted(after - before):
        yield f"{one.change.id} mounts PersistentVolumeClaim {claim}"


def _claims(body: Body) -> set[str]:
    volumes = at(_pod_spec(body), "volumes") or ()
    return {str(at(one, "persistentVolumeClaim", "claimName")) for one in volumes if one.get("persistentVolumeClaim")}


def _pod_spec(body: Body) -> Any:
    return at(body, "spec", "template", "spec") or at(body, "spec", "jobTemplate", "spec", "template", "spec")
