"""Deletion: at once, after a grace period, or when the last finalizer is gone; and what happens to dependents.

Source: k8s.io/apiserver/pkg/registry/rest/delete.go and generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.admission import Admission
from bot.sandbox.kube.authorization import User
from bot.sandbox.kube.conversion import convert
from bot.sandbox.kube.dynamic import DynamicAdmission, Operation, Review
from bot.sandbox.kube.errors import Cause, conflict, invalid, not_found
from bot.sandbox.kube.kinds import CRDS, Resource
from bot.sandbox.kube.objects import leaving, stamp
from bot.sandbox.kube.ports import Body, Propagation
from bot.sandbox.kube.store import Stale, Store

ORPHAN: Final = "orphan"
FOREGROUND: Final = "foregroundDeletion"
CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
# Kinds whose dependents stay when nothing else is said, as from before there was garbage collection.
_ORPHANING: Final = frozenset({"jobs.batch", "replicationcontrollers"})
_POD_GRACE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """How a deletion was asked for, DeleteOptions in the API."""

    grace_seconds: int | None = None
    propagation: Propagation | None = None
    uid: str = ""
    version: str = ""
    dry_run: bool = False
    user: User | None = None  # None is the server itself, which no policy is asked about


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """The last state of the object; `gone` is False while finalizers or a grace period keep it."""

    body: Body
    gone: bool
    warnings: tuple[str, ...] = ()


def delete_of(options: Mapping[str, Any], query: Mapping[str, str], user: User | None) -> Delete:
    """Read the options of a DELETE from its body, or from its query. Raises `StatusError`."""
    preconditions = options.get("preconditions") or {}
    policy = options.get("propagationPolicy") or query.get("propagationPolicy")
    orphan = options.get("orphanDependents")
    if orphan is None and "orphanDependents" in query:
        orphan = query["orphanDependents"] == "true"
    if orphan is not None and not policy:
        policy = "Orphan" if orphan else "Background"
    if policy and policy not in {one.value for one in Propagation}:
        cause = Cause(
            reason="FieldValueNotSupported",
            field="propagationPolicy",
            message=f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"',
        )
        raise invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    grace = options.get("gracePeriodSeconds")
    if grace is None and "gracePeriodSeconds" in query:
        grace = int(query["gracePeriodSeconds"])
    dry_run = options.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    return Delete(
        grace_seconds=None if grace is None else int(grace),
        propagation=Propagation(policy) if policy else None,
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        dry_run="All" in dry_run,
        user=user,
    )


class Deleter:
    """Thread-safe."""

    def __init__(
        self, store: Store, admission: Admission, dynamic: DynamicAdmission, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._admission, self._dynamic, self._clock = store, admission, dynamic, clock

    def delete(self, resource: Resource, namespace: str, name: str, delete: Delete) -> Deleted:
        """Delete an object, or begin to. Raises `StatusError`."""
        self._admission.refuse_delete(resource, name)
        while True:
            there = self._store.get(resource.key, namespace, name)
            if there is None:
                raise not_found(resource.group, resource.plural, name)
            self._preconditions(resource, there, delete)
            warnings = self._permitted(resource, namespace, there, delete)
            try:
                return replace(self._once(resource, there, delete), warnings=warnings)
            except Stale:
                continue  # somebody changed it meanwhile: look again

    def _permitted(self, resource: Resource, namespace: str, there: Body, delete: Delete) -> tuple[str, ...]:
        """Return the warnings of policies and webhooks. Raises `StatusError` when one refuses."""
        if delete.user is None:
            return ()
        review = Review(
            operation=Operation.DELETE,
            resource=resource,
            namespace=namespace,
            name=there["metadata"]["name"],
            user=delete.user,
            old=convert(there, resource, resource.version),
            dry_run=delete.dry_run,
        )
        return (*self._dynamic.mutate(review, None).warnings, *self._dynamic.validate(review))

    def _once(self, resource: Resource, there: Body, delete: Delete) -> Deleted:
        grace = self._grace(resource, there, delete)
        if leaving(there) and grace:
            kept = there["metadata"].get("deletionGracePeriodSeconds") or 0
            if delete.grace_seconds is None or grace >= kept:
                return self._deleted(resource, there, gone=False)
        finalizers = self._finalizers(resource, there, delete)
        content = resource.key == "namespaces" and bool((there.get("spec") or {}).get("finalizers"))
        stays = bool(finalizers) or grace > 0 or content
        if not stays:
            if delete.dry_run:
                return self._deleted(resource, there, gone=True)
            last = dict(there)
            if leaving(there):
                last["metadata"] = {**there["metadata"], "deletionGracePeriodSeconds": 0}
            return self._deleted(resource, self._store.remove(resource.key, there, last), gone=True)
        metadata = dict(there["metadata"])
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        if not leaving(there):
            metadata["deletionTimestamp"] = stamp(self._clock() + timedelta(seconds=grace))
            if metadata.get("generation"):
                metadata["generation"] += 1
        elif grace or delete.grace_seconds == 0:
            metadata["deletionTimestamp"] = min(
                metadata["deletionTimestamp"], stamp(self._clock() + timedelta(seconds=grace))
            )
        if not content:
            metadata["deletionGracePeriodSeconds"] = grace
        if metadata == there["metadata"] or delete.dry_run:
            return self._deleted(resource, {**there, "metadata": metadata}, gone=False)
        marked = {**there, "metadata": metadata}
        if resource.key == "namespaces":
            marked["status"] = {**(there.get("status") or {}), "phase": "Terminating"}
        return self._deleted(resource, self._store.replace(resource.key, there, marked), gone=False)

    def _grace(self, resource: Resource, there: Body, delete: Delete) -> int:
        """Return the seconds an object has to end well; only a Pod that runs on a node gets any."""
        if resource.key != "pods":
            return 0
        spec, phase = there.get("spec") or {}, (there.get("status") or {}).get("phase")
        if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
            return 0
        if leaving(there) and delete.grace_seconds is None:
            return int(there["metadata"].get("deletionGracePeriodSeconds") or 0)
        grace = spec.get("terminationGracePeriodSeconds", _POD_GRACE_SECONDS)
        wanted = grace if delete.grace_seconds is None else delete.grace_seconds
        return 1 if wanted < 0 else int(wanted)

    def _finalizers(self, resource: Resource, there: Body, delete: Delete) -> list[str]:
        """Return the finalizers of an object that leaves: its own, and those of who cleans up after it."""
        known = there["metadata"].get("finalizers") or []
        own = [one for one in known if one not in {ORPHAN, FOREGROUND}]
        policy = delete.propagation
        if policy is None:
            policy = Propagation.ORPHAN if ORPHAN in known else Propagation.FOREGROUND if FOREGROUND in known else None
        if policy is None and resource.key in _ORPHANING:
            policy = Propagation.ORPHAN
        if policy is Propagation.ORPHAN:
            own.append(ORPHAN)
        elif policy is Propagation.FOREGROUND:
            own.append(FOREGROUND)
        if resource.key == CRDS and not leaving(there):
            own.append(CLEANUP)
        return own

    def _preconditions(self, resource: Resource, there: Body, delete: Delete) -> None:
        metadata = there["metadata"]
        for given, field, what, then in (
            (delete.uid, "uid", "UID", "deleted and then recreated"),
            (delete.version, "resourceVersion", "ResourceVersion", "modified"),
        ):
            if given and given != metadata[field]:
                why = (
                    f"the {what} in the precondition ({given}) does not match the {what} in record "
                    f"({metadata[field]}). The object might have been {then}"
                )
                raise conflict(resource.group, resource.kind, metadata["name"], why)

    def _deleted(self, resource: Resource, body: Body, *, gone: bool) -> Deleted:
        return Deleted(body=convert(body, resource, resource.version), gone=gone)
