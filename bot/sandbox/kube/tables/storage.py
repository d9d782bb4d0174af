"""Cells of volumes, claims and their classes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.tables.text import Cell, first, look

_MODES: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_DEFAULT: Final = "storageclass.kubernetes.io/is-default-class"


def _modes(values: Any) -> str:
    return ",".join(short for mode, short in _MODES.items() if mode in (values or ()))


def _phase(body: Body, now: datetime) -> str:
    return "Terminating" if look(body, "metadata.deletionTimestamp") else str(look(body, "status.phase") or "")


def _claim(body: Body, now: datetime) -> str:
    wanted = look(body, "spec.claimRef")
    return f"{wanted.get('namespace', '')}/{wanted.get('name', '')}" if wanted else ""


def _when_bound(body: Body, value: Any) -> str:
    return str(value or "") if look(body, "spec.volumeName") else ""


def _class_name(body: Body, now: datetime) -> str:
    """Mark the default class. With several of them the real printer marks the newest alone."""
    name, notes = str(body["metadata"]["name"]), look(body, "metadata.annotations") or {}
    return f"{name} (default)" if notes.get(_DEFAULT) == "true" else name


_SHARED: Final[Mapping[str, Cell]] = {
    "Status": _phase,
    "StorageClass": first("spec.storageClassName"),
    "VolumeAttributesClass": first("spec.volumeAttributesClassName", "<unset>"),
    "VolumeMode": first("spec.volumeMode", "<unset>"),
}

CELLS: Final[Mapping[str, Mapping[str, Cell]]] = {
    "persistentvolumeclaims": {
        **_SHARED,
        "Volume": first("spec.volumeName"),
        "Capacity": lambda body, now: _when_bound(body, look(body, "status.capacity.storage") or "0"),
        "Access Modes": lambda body, now: _when_bound(body, _modes(look(body, "status.accessModes"))),
    },
    "persistentvolumes": {
        **_SHARED,
        "Capacity": lambda body, now: str(look(body, "spec.capacity.storage") or "0"),
        "Access Modes": lambda body, now: _modes(look(body, "spec.accessModes")),
        "Reclaim Policy": first("spec.persistentVolumeReclaimPolicy"),
        "Claim": _claim,
        "Reason": first("status.reason"),
    },
    "storageclasses.storage.k8s.io": {
        "Name": _class_name,
        "Provisioner": first("provisioner"),
        "ReclaimPolicy": first("reclaimPolicy", "Delete"),
        "VolumeBindingMode": first("volumeBindingMode", "Immediate"),
        "AllowVolumeExpansion": lambda body, now: bool(body.get("allowVolumeExpansion")),
    },
    "volumeattachments.storage.k8s.io": {
        "Attacher": first("spec.attacher"),
        "PV": first("spec.source.persistentVolumeName"),
        "Node": first("spec.nodeName"),
        "Attached": lambda body, now: bool(look(body, "status.attached")),
    },
    "csinodes.storage.k8s.io": {"Drivers": lambda body, now: len(look(body, "spec.drivers") or ())},
    "volumeattributesclasses.storage.k8s.io": {"DriverName": first("driverName")},
}
