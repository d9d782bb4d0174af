"""Reading and building Kubernetes objects: metadata, owners, selectors, conditions, times. All of it pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from bot.sandbox.kube.ports import Body

# The letters of generated names: no vowels, so that no word appears (k8s.io/apimachinery/pkg/util/rand).
_SAFE: Final = "bcdfghjklmnpqrstvwxz2456789"


def metadata(body: Body) -> Mapping[str, Any]:
    return body.get("metadata") or {}


def name_of(body: Body) -> str:
    return str(metadata(body).get("name") or "")


def namespace_of(body: Body) -> str:
    return str(metadata(body).get("namespace") or "")


def uid_of(body: Body) -> str:
    return str(metadata(body).get("uid") or "")


def labels_of(body: Body) -> Mapping[str, str]:
    return metadata(body).get("labels") or {}


def annotations_of(body: Body) -> Mapping[str, str]:
    return metadata(body).get("annotations") or {}


def spec_of(body: Body) -> Mapping[str, Any]:
    return body.get("spec") or {}


def status_of(body: Body) -> Mapping[str, Any]:
    return body.get("status") or {}


def generation_of(body: Body) -> int:
    return int(metadata(body).get("generation") or 0)


def is_leaving(body: Body) -> bool:
    return bool(metadata(body).get("deletionTimestamp"))


def with_status(body: Body, status: Mapping[str, Any]) -> Body:
    return {**body, "status": status}


def with_spec(body: Body, **fields: Any) -> Body:
    """Return a copy whose spec has these fields too."""
    return {**body, "spec": {**spec_of(body), **fields}}


def with_metadata(body: Body, **fields: Any) -> Body:
    """Return a copy whose metadata has these fields too; a None takes one away."""
    merged = {**metadata(body), **fields}
    return {**body, "metadata": {key: value for key, value in merged.items() if value is not None}}


def with_annotations(body: Body, added: Mapping[str, str]) -> Body:
    return with_metadata(body, annotations={**annotations_of(body), **added})


def without_finalizer(body: Body, finalizer: str) -> Body:
    left = [one for one in metadata(body).get("finalizers") or () if one != finalizer]
    return with_metadata(body, finalizers=left or None)


# owners


def controller_of(body: Body) -> Mapping[str, Any] | None:
    """Return the owner reference of the controller that manages an object, None for an orphan."""
    return next((one for one in metadata(body).get("ownerReferences") or () if one.get("controller")), None)


def controlled_by(owner: Body) -> dict[str, Any]:
    """Return the reference that makes `owner` the controller of another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


# selectors


def is_subset(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in wanted.items())


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Does a LabelSelector (matchLabels, matchExpressions) choose these labels? None chooses nothing."""
    if selector is None or not is_subset(selector.get("matchLabels") or {}, labels):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


# numbers and names


def scaled(value: int | str | None, total: int, *, up: bool) -> int:
    """Return an IntOrString as a number of pods: percentages are of `total`, rounded up or down."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value or 0)


def digest(value: Any, *, length: int = 10) -> str:
    """Return a short safe name for a content, as pod-template-hash is one; the same content gives the same name."""
    raw = hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()
    return "".join(_SAFE[byte % len(_SAFE)] for byte in raw[:length])


# times


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def time_until(at: datetime, now: datetime) -> timedelta:
    return max(at - now, timedelta(0))


# conditions


def condition_of(body: Body, type: str) -> Mapping[str, Any] | None:
    return find_condition(status_of(body).get("conditions") or (), type)


def find_condition(conditions: Iterable[Mapping[str, Any]], type: str) -> Mapping[str, Any] | None:
    return next((one for one in conditions if one.get("type") == type), None)


def without_condition(conditions: Sequence[Mapping[str, Any]], type: str) -> list[Mapping[str, Any]]:
    return [one for one in conditions if one.get("type") != type]


def is_ready(pod: Body) -> bool:
    return (condition_of(pod, "Ready") or {}).get("status") == "True"


def is_running(pod: Body) -> bool:
    """Is it neither finished nor on its way out?"""
    return status_of(pod).get("phase") not in ("Succeeded", "Failed") and not is_leaving(pod)


def available_in(pod: Body, min_ready_seconds: int, now: datetime) -> timedelta | None:
    """Return how long until a Pod counts as available: zero when it does, None while it is not ready."""
    ready = condition_of(pod, "Ready")
    if not ready or ready.get("status") != "True":
        return None
    if not min_ready_seconds:
        return timedelta(0)
    return time_until(moment(str(ready["lastTransitionTime"])) + timedelta(seconds=min_ready_seconds), now)


def pod_order(pod: Body) -> tuple[Any, ...]:
    """Sort key of Pods by who goes first when there are too many: not assigned, pending, not ready, restarted, newest.

    Source: ActivePodsWithRanks of k8s.io/kubernetes/pkg/controller.
    """
    status = status_of(pod)
    restarts = max((int(one.get("restartCount") or 0) for one in status.get("containerStatuses") or ()), default=0)
    phase = {"Pending": 0, "Unknown": 1}.get(str(status.get("phase")), 2)
    cost = int(annotations_of(pod).get("controller.kubernetes.io/pod-deletion-cost") or 0)
    created = moment(str(metadata(pod).get("creationTimestamp") or "1970-01-01T00:00:00Z")).timestamp()
    return (bool(spec_of(pod).get("nodeName")), phase, is_ready(pod), cost, -restarts, -created, name_of(pod))
