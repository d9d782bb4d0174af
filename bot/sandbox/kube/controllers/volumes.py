"""Claims and volumes: found or made, bound, released.

Every class provisions but those with `kubernetes.io/no-provisioner`. Source: k8s.io/kubernetes/pkg/controller/volume
(persistentvolume, pvprotection).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import NOTHING, Create, Decision, Delete, Tell, Update, Write
from bot.sandbox.kube.controllers.objects import (
    annotations_of,
    is_leaving,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    selects,
    spec_of,
    stamp,
    status_of,
    time_until,
    uid_of,
    with_annotations,
    with_spec,
    with_status,
)
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.quantities import amount
from bot.sandbox.kube.controllers.scheduler import SELECTED_NODE, waits_for_pod
from bot.sandbox.kube.controllers.view import View, key_of
from bot.sandbox.kube.controllers.volume_use import CLAIMS, unprotected
from bot.sandbox.kube.ports import Body

VOLUMES: Final = "persistentvolumes"
CLASSES: Final = "storageclasses.storage.k8s.io"
PROVISIONER: Final = "rancher.io/local-path"
_COMPONENT: Final = "persistentvolume-controller"
_BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
_BOUND_BY_US: Final = "pv.kubernetes.io/bound-by-controller"
_PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
_PROVISIONER_OF: Final = "volume.kubernetes.io/storage-provisioner"
_STATIC: Final = "kubernetes.io/no-provisioner"


def standard_class() -> Create:
    """Return the default class to begin with, as local clusters have one."""
    body = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }
    return Create(resource=CLASSES, body=body)


def claim(body: Body, view: View, now: datetime, *, pace: Pace) -> Decision:
    """Return the next step of a claim."""
    if is_leaving(body):
        return NOTHING
    if name := spec_of(body).get("volumeName"):
        return _settled(body, view.get(VOLUMES, "", str(name)), view)
    if waits_for_pod(body, view) and SELECTED_NODE not in annotations_of(body):
        message = "waiting for first consumer to be created before binding"
        return _pending(body, "WaitForFirstConsumer", message)
    if (volume := _match(body, view)) is not None:
        return _bind(body, volume)
    return _provision(body, view, now, pace)


def volume(body: Body, view: View, now: datetime) -> Decision:
    """Return the next step of a volume: its phase follows from the claim it is for."""
    wanted = spec_of(body).get("claimRef")
    owner = _claimant(wanted, view)
    if is_leaving(body):
        bound = owner is not None and spec_of(owner).get("volumeName") == name_of(body)
        return NOTHING if bound else unprotected(VOLUMES, body, "kubernetes.io/pv-protection")
    if not wanted or not wanted.get("uid"):
        return _phase(body, "Available", now)
    if owner is not None:
        bound = spec_of(owner).get("volumeName") == name_of(body)
        return _phase(body, "Bound", now) if bound else NOTHING
    if spec_of(body).get("persistentVolumeReclaimPolicy") == "Delete":
        return Decision(writes=(Delete(resource=VOLUMES, namespace="", name=name_of(body), uid=uid_of(body)),))
    return _phase(body, "Released", now)


def _claimant(wanted: Mapping[str, Any] | None, view: View) -> Body | None:
    if not wanted:
        return None
    found = view.get(CLAIMS, str(wanted.get("namespace")), str(wanted.get("name")))
    return found if found is not None and wanted.get("uid") in (None, uid_of(found)) else None


def _phase(body: Body, phase: str, now: datetime) -> Decision:
    if status_of(body).get("phase") == phase:
        return NOTHING
    status = {"phase": phase, "lastPhaseTransitionTime": stamp(now)}
    return Decision(writes=(Update(resource=VOLUMES, body=with_status(body, status), subresource="status"),))


def _settled(body: Body, volume: Body | None, view: View) -> Decision:
    """Keep the status of a claim that has a volume."""
    if volume is None:
        if status_of(body).get("phase") != "Bound":
            return NOTHING
        lost = Update(
            resource=CLAIMS, body=with_status(body, {**status_of(body), "phase": "Lost"}), subresource="status"
        )
        message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        return Decision(writes=(lost, _tell(body, "ClaimLost", message, warning=True)))
    if not (spec_of(volume).get("claimRef") or {}).get("uid"):
        return _bind(body, volume)
    if _claimant(spec_of(volume).get("claimRef"), view) is not body:
        return NOTHING
    if _BIND_COMPLETED not in annotations_of(body):
        return Decision(writes=(Update(resource=CLAIMS, body=with_annotations(body, {_BIND_COMPLETED: "yes"})),))
    asked, capacity = _asked(body), spec_of(volume).get("capacity") or {}
    if amount(asked) > amount(str(capacity.get("storage") or "0")) and _expands(body, view):
        larger = with_spec(volume, capacity={**capacity, "storage": asked})
        return Decision(writes=(Update(resource=VOLUMES, body=larger),))
    bound = {"phase": "Bound", "accessModes": spec_of(volume).get("accessModes") or [], "capacity": capacity}
    status = {**status_of(body), **bound}
    if status_of(body) == status:
        return NOTHING
    return Decision(writes=(Update(resource=CLAIMS, body=with_status(body, status), subresource="status"),))


def _expands(body: Body, view: View) -> bool:
    storage = _class(body, view)
    return storage is not None and bool(storage.get("allowVolumeExpansion"))


def _class(body: Body, view: View) -> Body | None:
    return view.get(CLASSES, "", str(spec_of(body).get("storageClassName") or ""))


def _asked(body: Body) -> str:
    return str(((spec_of(body).get("resources") or {}).get("requests") or {}).get("storage") or "0")


def _match(body: Body, view: View) -> Body | None:
    """Return the smallest volume that fits a claim, one reserved for it before all others."""
    spec = spec_of(body)
    fitting = []
    for volume in view.within(VOLUMES):
        reserved = spec_of(volume).get("claimRef")
        if reserved and _claimant(reserved, view) is not body:
            continue
        of_volume = spec_of(volume)
        if (
            (of_volume.get("storageClassName") or "") == (spec.get("storageClassName") or "")
            and set(spec.get("accessModes") or ()) <= set(of_volume.get("accessModes") or ())
            and (of_volume.get("volumeMode") or "Filesystem") == (spec.get("volumeMode") or "Filesystem")
            and amount(str((of_volume.get("capacity") or {}).get("storage") or "0")) >= amount(_asked(body))
            and ("selector" not in spec or selects(spec["selector"], labels_of(volume)))
            and not is_leaving(volume)
        ):
            fitting.append((not reserved, amount(str(of_volume["capacity"]["storage"])), name_of(volume), volume))
    return min(fitting, default=(None, None, None, None), key=lambda one: one[:3])[3]


def _bind(body: Body, volume: Body) -> Decision:
    """Bind both sides: first the volume to the claim, then the claim to the volume."""
    reserved = bool(spec_of(volume).get("claimRef"))
    to_claim = with_spec(volume, claimRef=_reference(body))
    to_volume = with_spec(body, volumeName=name_of(volume))
    notes = {_BIND_COMPLETED: "yes"} | ({} if spec_of(body).get("volumeName") else {_BOUND_BY_US: "yes"})
    if not reserved:
        to_claim = with_annotations(to_claim, {_BOUND_BY_US: "yes"})
    return Decision(
        writes=(
            Update(resource=VOLUMES, body=to_claim),
            Update(resource=CLAIMS, body=with_annotations(to_volume, notes)),
        )
    )


def _provision(body: Body, view: View, now: datetime, pace: Pace) -> Decision:
    """Make a volume by the claim's class."""
    name = str(spec_of(body).get("storageClassName") or "")
    storage = _class(body, view)
    if not name:
        message = "no persistent volumes available for this claim and no storage class is set"
        return _pending(body, "FailedBinding", message)
    if storage is None:
        message = f'storageclass.storage.k8s.io "{name}" not found'
        return _pending(body, "ProvisioningFailed", message, warning=True)
    provisioner = str(storage.get("provisioner"))
    if provisioner == _STATIC:
        message = f'storageclass.storage.k8s.io "{name}" has no provisioner: waiting for a volume to be created'
        return _pending(body, "FailedBinding", message)
    if annotations_of(body).get(_PROVISIONER_OF) != provisioner:
        noted = with_annotations(
            body, {_PROVISIONER_OF: provisioner, f"volume.beta.{_PROVISIONER_OF[7:]}": provisioner}
        )
        told = (
            f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
            "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
            "correctly registered."
        )
        return Decision(writes=(Update(resource=CLAIMS, body=noted), _tell(body, "ExternalProvisioning", told)))
    if wait := time_until(view.since(key_of(CLAIMS, body)) + pace.provision, now):
        return Decision(again_in=wait)
    made = f"pvc-{uid_of(body)}"
    message = f"Successfully provisioned volume {made}"
    node = annotations_of(body).get(SELECTED_NODE)
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": made, "annotations": {_PROVISIONED_BY: provisioner}},
        "spec": {
            "capacity": {"storage": _asked(body)},
            "accessModes": spec_of(body).get("accessModes") or [],
            "claimRef": _reference(body),
            "persistentVolumeReclaimPolicy": storage.get("reclaimPolicy") or "Delete",
            "storageClassName": name,
            "volumeMode": spec_of(body).get("volumeMode") or "Filesystem",
            "hostPath": {"path": f"/var/local-path-provisioner/{made}", "type": "DirectoryOrCreate"},
            **({"nodeAffinity": _only_on(node)} if node else {}),
        },
    }
    writes: tuple[Write, ...] = (
        Create(resource=VOLUMES, body=volume),
        Tell(about=body, reason="ProvisioningSucceeded", message=message, component=provisioner),
    )
    return Decision(writes=writes)


def _only_on(node: str) -> dict[str, Any]:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def _reference(body: Body) -> dict[str, str]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": namespace_of(body),
        "name": name_of(body),
        "uid": uid_of(body),
        "resourceVersion": str(metadata(body).get("resourceVersion") or ""),
    }


def _pending(body: Body, reason: str, message: str, *, warning: bool = False) -> Decision:
    """Say why a claim waits; the phase itself is the server's from the start."""
    return Decision(writes=(_tell(body, reason, message, warning=warning),))


def _tell(body: Body, reason: str, message: str, *, warning: bool = False) -> Tell:
    return Tell(about=body, reason=reason, message=message, component=_COMPONENT, warning=warning)
