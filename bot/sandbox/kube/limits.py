"""What LimitRanges add to Pods and refuse. Pure. Source: k8s.io/kubernetes/plugin/pkg/admission/limitranger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bot.sandbox.kube import quantity
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.quotas import pod_total

RESOURCE: Final = "limitranges"
_NOTE: Final = "kubernetes.io/limit-ranger"
Amounts = Mapping[str, str]


def complete(pod: dict[str, Any], ranges: Iterable[Body]) -> None:
    """Give the containers of a private Pod the requests and limits they do not name, and note which."""
    noted: list[str] = []
    spec = pod["spec"]
    for limits in ranges:
        defaults = [one for one in _items(limits) if one.get("type") == "Container"]
        for kind, word in (("containers", "container"), ("initContainers", "init container")):
            for container in spec.get(kind) or ():
                noted += _fill(container, defaults, word)
    if noted:
        annotations = pod["metadata"].get("annotations") or {}
        pod["metadata"]["annotations"] = {**annotations, _NOTE: f"LimitRanger plugin set: {'; '.join(noted)}"}


def _fill(container: dict[str, Any], defaults: Iterable[Mapping[str, Any]], word: str) -> Iterator[str]:
    resources = container["resources"] = dict(container.get("resources") or {})
    for kind, source in (("requests", "defaultRequest"), ("limits", "default")):
        given: Amounts = resources.get(kind) or {}
        known = {name: value for one in defaults for name, value in (one.get(source) or {}).items()}
        if added := {name: value for name, value in known.items() if name not in given}:
            resources[kind] = {**given, **added}
            yield f"{', '.join(sorted(added))} {kind.removesuffix('s')} for {word} {container['name']}"


def refusals(resource: str, body: Body, limits: Body) -> Iterator[str]:
    """Say what of a Pod or a claim a LimitRange does not allow."""
    spec = body.get("spec") or {}
    for one in _items(limits):
        kind = str(one.get("type"))
        if resource == "pods" and kind == "Container":
            for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
                yield from _outside(kind, one, container.get("resources") or {})
        elif resource == "pods" and kind == "Pod":
            yield from _outside(kind, one, pod_total(spec))
        elif resource == "persistentvolumeclaims" and kind == "PersistentVolumeClaim":
            requests = (spec.get("resources") or {}).get("requests") or {}
            yield from _outside(kind, {"min": one.get("min")}, {"requests": requests})
            for name, value in sorted((one.get("max") or {}).items()):
                yield from _too_much(kind, name, value, "request", requests)


def _outside(kind: str, item: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[str]:
    requests: Amounts = resources.get("requests") or {}
    limits: Amounts = resources.get("limits") or {}
    for name, value in sorted((item.get("min") or {}).items()):
        said = f"minimum {name} usage per {kind} is {value}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif _less(requests[name], value):
            yield f"{said}, but request is {requests[name]}"
        elif name in limits and _less(limits[name], value):
            yield f"{said}, but limit is {limits[name]}"
    for name, value in sorted((item.get("max") or {}).items()):
        told = [*_too_much(kind, name, value, "limit", limits)]
        if not told and name in requests:
            told = [*_too_much(kind, name, value, "request", requests)]
        yield from told
    for name, value in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        said = f"{name} max limit to request ratio per {kind} is {value}"
        request, limit = (quantity.parse(one.get(name, "0")) for one in (requests, limits))
        if not request:
            yield f"{said}, but no request is specified or request is 0"
        elif not limit:
            yield f"{said}, but no limit is specified or limit is 0"
        elif limit / request > quantity.parse(value):
            yield f"{said}, but provided ratio is {float(limit / request):f}"


def _too_much(kind: str, name: str, most: str, word: str, given: Amounts) -> Iterator[str]:
    said = f"maximum {name} usage per {kind} is {most}"
    if name not in given:
        yield f"{said}.  No {word} is specified"
    elif _less(most, given[name]):
        yield f"{said}, but {word} is {given[name]}"


def _less(first: str, second: str) -> bool:
    return quantity.parse(first) < quantity.parse(second)


def _items(limits: Body) -> Iterable[Mapping[str, Any]]:
    found: Iterable[Mapping[str, Any]] = (limits.get("spec") or {}).get("limits") or ()
    return found
