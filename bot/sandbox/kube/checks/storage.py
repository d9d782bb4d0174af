"""Volume claims, volumes and storage classes. Pure. Source: k8s.io/kubernetes/pkg/apis/core/validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.sandbox.kube import quantity
from bot.sandbox.kube.checks.fields import forbidden, immutable, invalid, required, unsupported
from bot.sandbox.kube.checks.labels import check_selector
from bot.sandbox.kube.checks.names import wrong_subdomain
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_ALONE: Final = "ReadWriteOncePod"
_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", _ALONE)
_PLAIN_VOLUME: Final = frozenset(
    {
        *("capacity", "accessModes", "claimRef", "persistentVolumeReclaimPolicy", "storageClassName"),
        *("mountOptions", "volumeMode", "nodeAffinity", "volumeAttributesClassName"),
    }
)


def check_claim(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    modes = spec.get("accessModes") or ()
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        if mode not in _MODES:
            yield unsupported("spec.accessModes", mode, _MODES)
    if _ALONE in modes and any(mode in _MODES and mode != _ALONE for mode in modes):
        yield forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes")
    if (selector := spec.get("selector")) is not None:
        yield from check_selector(selector, "spec.selector")
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        yield required("spec.resources[storage]")
    elif quantity.parse(storage) <= 0:
        yield invalid("spec.resources[storage]", storage, "must be greater than zero")
    if name := spec.get("storageClassName"):
        yield from (invalid("spec.storageClassName", name, text) for text in wrong_subdomain(name))
    mode = spec.get("volumeMode")
    if mode not in {None, "Block", "Filesystem"}:
        yield unsupported("spec.volumeMode", mode, ("Block", "Filesystem"))
    if old is not None:
        yield from _claim_stays(spec, old.get("spec") or {}, old)


def _claim_stays(spec: Mapping[str, Any], before: Mapping[str, Any], old: Body) -> Iterator[Cause]:
    """Say that a claim's spec stays: only a bound one may ask for more; a volume may be named once."""
    status = old.get("status") or {}
    kept, known = dict(spec), dict(before)
    if not before.get("volumeName"):
        _free("volumeName", kept, known)
    if "storageClassName" not in before:  # a class that became the default is given to claims that name none
        _free("storageClassName", kept, known)
    had, asked = _storage(before.get("resources")), _storage(spec.get("resources"))
    if status.get("phase") == "Bound":
        _free("volumeAttributesClassName", kept, known)
        if (requests := (spec.get("resources") or {}).get("requests")) is not None:
            kept["resources"] = {**spec["resources"], "requests": {**requests, "storage": had}}
    if kept != known:
        yield forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        )
    wanted = quantity.parse(asked)
    if wanted < quantity.parse(had) and wanted <= quantity.parse((status.get("capacity") or {}).get("storage", "0")):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    if spec.get("volumeMode") != before.get("volumeMode"):
        yield immutable("volumeMode", spec.get("volumeMode"))


def _storage(resources: Mapping[str, Any] | None) -> str:
    return str(((resources or {}).get("requests") or {}).get("storage", "0"))


def _free(field: str, *specs: dict[str, Any]) -> None:
    for spec in specs:
        spec.pop(field, None)


def check_volume(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if not spec.get("accessModes"):
        yield required("spec.accessModes")
    if not spec.get("capacity"):
        yield required("spec.capacity")
    if set(spec.get("capacity") or {}) != {"storage"}:
        yield unsupported("spec.capacity", spec.get("capacity"), ("storage",))
    sources = [key for key in spec if key not in _PLAIN_VOLUME]
    if not sources:
        yield required("spec", "must specify a volume type")
    for other in sources[1:]:
        yield forbidden(f"spec.{other}", "may not specify more than 1 volume type")
    if old is not None:
        before = old.get("spec") or {}
        if any(spec.get(key) != before.get(key) for key in sources):
            yield forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")


def check_class(body: Body, old: Body | None) -> Iterator[Cause]:
    if not body.get("provisioner"):
        yield required("provisioner")
    policy, binding = body.get("reclaimPolicy"), body.get("volumeBindingMode")
    if policy not in {"Delete", "Retain"}:
        yield unsupported("reclaimPolicy", policy, ("Delete", "Retain"))
    if binding not in {"Immediate", "WaitForFirstConsumer"}:
        yield unsupported("volumeBindingMode", binding, ("Immediate", "WaitForFirstConsumer"))
    if old is not None:
        for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
            if body.get(field) != old.get(field):
                if field in {"parameters", "provisioner"}:
                    yield forbidden(field, "updates to " + field + " are forbidden.")
                else:
                    yield immutable(field, body.get(field))
