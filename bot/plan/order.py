"""In which order the changes of a plan happen.

Pure. Applied is by wave first (lower before higher), then by what a kind is to others: Namespaces and CRDs before
what lives in them, rights and configuration before the workloads that use them, webhooks and API services last,
because they can stop everything else. Deleted is in reverse.

Custom resources come after workloads: their operator may be among them, and on the way back it is still there to
release their finalizers. The order of the classes follows Helm's and kapp's install orders; within a class, changes
keep to group, kind, namespace and name, and may happen at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from types import MappingProxyType
from typing import Final

from bot.model.plan import Action, Change, Plan
from bot.model.resource import ResourceId, ResourceRef


class Phase(Enum):
    """When a hook runs."""

    PRE_SYNC = "pre-sync"
    POST_SYNC = "post-sync"
    SYNC_FAILED = "sync-failed"


_WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
_CLASSES: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    (("", "Namespace"), ("apiextensions.k8s.io", "CustomResourceDefinition")),
    (
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "VolumeAttributesClass"),
        ("snapshot.storage.k8s.io", "VolumeSnapshotClass"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("networking.k8s.io", "IngressClass"),
        ("gateway.networking.k8s.io", "GatewayClass"),
        ("resource.k8s.io", "DeviceClass"),
    ),
    (("", "ResourceQuota"), ("", "LimitRange"), ("networking.k8s.io", "NetworkPolicy")),
    (("", "ServiceAccount"),),
    (("rbac.authorization.k8s.io", "ClusterRole"), ("rbac.authorization.k8s.io", "Role")),
    (("rbac.authorization.k8s.io", "ClusterRoleBinding"), ("rbac.authorization.k8s.io", "RoleBinding")),
    (("", "ConfigMap"), ("", "Secret")),
    (("", "PersistentVolume"),),
    (("", "PersistentVolumeClaim"),),
    (("", "Service"),),
    (
        *(("apps", kind) for kind in _WORKLOADS),
        ("", "Pod"),
        ("", "ReplicationController"),
        ("batch", "Job"),
        ("batch", "CronJob"),
    ),
    (),  # whatever is not listed: custom resources
    (("autoscaling", "HorizontalPodAutoscaler"), ("policy", "PodDisruptionBudget")),
    (("networking.k8s.io", "Ingress"),),
    (
        ("apiregistration.k8s.io", "APIService"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ),
)
_RANKS: Final[Mapping[tuple[str, str], int]] = MappingProxyType(
    {kind: rank for rank, kinds in enumerate(_CLASSES) for kind in kinds}
)
_FIRST_RANK: Final = 0
_CUSTOM_RANK: Final = next(rank for rank, kinds in enumerate(_CLASSES) if not kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Changes that may happen at once, after all of the stage before.

    `objects` are what `wait` is about: with it, the next stage begins when all of them are healthy (a Namespace
    active, a CRD established), or, in a stage of deletes, when all of them are gone. They include objects that do
    not change: a wave whose objects are unhealthy since the last pass holds the next wave too.
    """

    changes: tuple[Change, ...]
    wait: bool
    objects: tuple[ResourceRef, ...]


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return all changes as they happen: everything else in order of application, then deletes in reverse order."""
    everything = sorted(changes, key=_position)
    kept = [change for change in everything if change.action is not Action.DELETE]
    deleted = [change for change in everything if change.action is Action.DELETE]
    return (*kept, *reversed(deleted))


def rank(id: ResourceId) -> int:
    """Return the class of a kind; a lower one is applied earlier."""
    return _RANKS.get((id.group, id.kind), _CUSTOM_RANK)


def stages(plan: Plan) -> tuple[Stage, ...]:
    """Return everything but the deletes, stage by stage. Every such write is in exactly one stage.

    A stage with nothing to write is there only when a later one has to wait for its objects.
    """
    last_write = max((_stage_key(change) for change in plan.writes if _is_wanted(change)), default=None)
    if last_write is None:
        return ()
    wanted = [change for change in plan.changes if _matters(change, last_write[0]) and _is_wanted(change)]
    built: list[Stage] = []
    wave_objects: list[ResourceRef] = []
    waves = groupby(sorted(wanted, key=_position), key=lambda change: change.wave)
    for wave, of_wave in waves:
        wave_objects = []
        classes = [tuple(group) for _, group in groupby(of_wave, key=lambda change: rank(change.id))]
        for number, group in enumerate(classes):
            refs = tuple(change.ref for change in group)
            wave_objects.extend(refs)
            ends_wave = number == len(classes) - 1 and wave < last_write[0]
            opens = rank(group[0].id) == _FIRST_RANK and _stage_key(group[0]) < last_write
            writes = tuple(change for change in group if _writes(change))
            if writes or ends_wave or opens:
                objects = tuple(wave_objects) if ends_wave else refs
                built.append(Stage(changes=writes, wait=ends_wave or opens, objects=objects))
    return tuple(built)


def hook_stages(plan: Plan, phase: Phase) -> tuple[Stage, ...]:
    """Return the hooks of one point, a stage per wave; each is waited for. Those that a plan does not run are left out.

    What runs when a sync fails is no change of its plan: it is here all the same.
    """
    hooks = [one for one in plan.changes if one.hook == phase.value and one.action is not Action.DELETE]
    if phase is not Phase.SYNC_FAILED:
        hooks = [one for one in hooks if one.action in {Action.CREATE, Action.RECREATE}]
    groups = [tuple(group) for _, group in groupby(sorted(hooks, key=_position), key=lambda one: one.wave)]
    return tuple(Stage(changes=group, wait=True, objects=tuple(one.ref for one in group)) for group in groups)


def prune_stages(plan: Plan) -> tuple[Stage, ...]:
    """Return the deletes, stage by stage, each waiting for the one before to be gone; the last waits for nothing."""
    deletes = sorted((one for one in plan.changes if one.action is Action.DELETE), key=_position, reverse=True)
    groups = [tuple(group) for _, group in groupby(deletes, key=_stage_key)]
    return tuple(
        Stage(changes=group, wait=number < len(groups) - 1, objects=tuple(change.ref for change in group))
        for number, group in enumerate(groups)
    )


def _is_wanted(change: Change) -> bool:
    return change.manifest is not None and not change.hook and change.action not in {Action.DELETE, Action.BLOCKED}


def _matters(change: Change, last_wave: int) -> bool:
    """Tell whether an object is written, or may have to be healthy before another one is; most are neither."""
    if change.action is not Action.UNCHANGED or change.wave < last_wave:
        return True
    return change.wave == last_wave and rank(change.id) == _FIRST_RANK


def _writes(change: Change) -> bool:
    return change.action in {Action.CREATE, Action.UPDATE, Action.RECREATE}


def _stage_key(change: Change) -> tuple[int, int]:
    return (change.wave, rank(change.id))


def _position(change: Change) -> tuple[int, int, ResourceId, str]:
    return (change.wave, rank(change.id), change.id, change.ref.version)
