"""Volume claims, volumes and storage classes. Pure. Source: k8s.io/kubernetes/pkg/apis/core/validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.sandbox.kube import quantity
from bot.sandbox.kube.checks.fields import forbidden, immutable, invalid, required, unsupported
from bot.sandbox.kube.checks.names import wrong_subdomain
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
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
    bound = (old.get("status") or {}).get("phase") == "Bound"
    free = {"volumeName"} if not before.get("volumeName") else set()
    if "storageClassName" not in before:
        free.add("storageClassName")  # a class that became the default is given to claims that name none
    if bound:
        free |= {"resources", "volumeAttributesClassName"}
    kept = {key: value for key, value in spec.items() if key not in free}
    known = {key: value for key, value in before.items() if key not in free}
    if kept != known:
        yield forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        )
    if spec.get("volumeMode") != before.get("volumeMode"):
        yield immutable("volumeMode", spec.get("volumeMode"))
    if bound:
        new = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")
        had = ((before.get("resources") or {}).get("requests") or {}).get("storage", "0")
        if quantity.parse(new) < quantity.parse(had):
            yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


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
