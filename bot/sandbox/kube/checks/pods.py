"""Pods and Pod templates: volumes, the order of the real server's complaints kept.

Source: k8s.io/kubernetes/pkg/apis/core/validation/validation.go ValidatePodSpec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube.checks.containers import check_containers, check_unique_names
from bot.sandbox.kube.checks.fields import duplicate, forbidden, invalid, required, unsupported
from bot.sandbox.kube.checks.labels import check_selector
from bot.sandbox.kube.checks.names import (
    check_annotations,
    check_labels,
    wrong_label,
    wrong_label_value,
    wrong_qualified,
    wrong_subdomain,
)
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_RESTART: Final = ("Always", "OnFailure", "Never")
_DNS: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_ID_LIMIT: Final = 2_147_483_647
# Of each volume source, the field without which it says nothing.
_NEEDED: Final = {
    "configMap": "name",
    "secret": "secretName",
    "persistentVolumeClaim": "claimName",
    "hostPath": "path",
    "nfs": "server",
    "csi": "driver",
    "ephemeral": "volumeClaimTemplate",
}


def check_pod(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    if old is None:
        yield from check_pod_spec(spec, "spec")
    else:
        yield from _changes(spec, old.get("spec") or {})


def check_template(template: Mapping[str, Any], at: str) -> Iterator[Cause]:
    """Check a Pod template with its labels and annotations."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    yield from check_labels(metadata.get("labels") or {}, f"{at}.labels")
    yield from check_annotations(metadata.get("annotations") or {}, f"{at}.annotations")
    yield from check_pod_spec(spec, f"{at}.spec")
    if spec.get("ephemeralContainers"):
        yield forbidden(f"{at}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def check_pod_spec(spec: Mapping[str, Any], at: str) -> Iterator[Cause]:
    volumes = spec.get("volumes") or ()
    yield from _volumes(volumes, f"{at}.volumes")
    known = {one.get("name", "") for one in volumes}
    host = bool(spec.get("hostNetwork"))
    containers, first = spec.get("containers") or (), spec.get("initContainers") or ()
    if not containers:
        yield required(f"{at}.containers")
    yield from check_containers(containers, f"{at}.containers", known, host_network=host)
    yield from check_containers(first, f"{at}.initContainers", known, host_network=host, init=True)
    yield from check_unique_names(first, f"{at}.initContainers", {one.get("name", "") for one in containers})
    if spec.get("restartPolicy") not in _RESTART:
        yield _restart(at, spec.get("restartPolicy", ""), _RESTART)
    if spec.get("dnsPolicy") not in _DNS:
        yield _listed(f"{at}.dnsPolicy", spec.get("dnsPolicy", ""), _DNS)
    for key, value in (spec.get("nodeSelector") or {}).items():
        yield from (invalid(f"{at}.nodeSelector", key, text) for text in wrong_qualified(key))
        yield from (invalid(f"{at}.nodeSelector", value, text) for text in wrong_label_value(value))
    yield from _security(spec.get("securityContext") or {}, f"{at}.securityContext")
    yield from _affinity(spec.get("affinity") or {}, f"{at}.affinity")
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        yield required(f"{at}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
    yield from _spread(spec.get("topologySpreadConstraints") or (), f"{at}.topologySpreadConstraints")
    for field in ("serviceAccountName", "nodeName", "priorityClassName"):
        if name := spec.get(field):
            yield from (invalid(f"{at}.{field}", name, text) for text in wrong_subdomain(name))
    yield from _tolerations(spec.get("tolerations") or (), f"{at}.tolerations")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _ID_LIMIT:
        yield invalid(f"{at}.activeDeadlineSeconds", deadline, f"must be between 1 and {_ID_LIMIT}, inclusive")
    for field in ("hostname", "subdomain"):
        if name := spec.get(field):
            yield from (invalid(f"{at}.{field}", name, text) for text in wrong_label(name))


def check_restart(spec: Mapping[str, Any], at: str) -> Iterator[Cause]:
    """Check a template whose Pods have to run for ever."""
    if spec.get("restartPolicy") != "Always":
        yield _restart(at, spec.get("restartPolicy", ""), ("Always",))
    if "activeDeadlineSeconds" in spec:
        yield forbidden(f"{at}.activeDeadlineSeconds", "activeDeadlineSeconds in ReplicaSet is not Supported")


def _restart(at: str, value: str, allowed: Sequence[str]) -> Cause:
    return _listed(f"{at}.restartPolicy", value, allowed)


def _listed(field: str, value: str, allowed: Sequence[str]) -> Cause:
    return unsupported(field, value, allowed, ordered=True)


# In the order in which the real server looks: the first one counts, each further one is too many.
_SOURCES: Final = (
    *("emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi"),
    *("glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc"),
    *("flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk"),
    *("storageos", "projected", "scaleIO", "csi", "ephemeral", "image"),
)


def _volumes(volumes: Sequence[Mapping[str, Any]], at: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, one in enumerate(volumes):
        here, name = f"{at}[{index}]", one.get("name", "")
        sources = [key for key in _SOURCES if key in one]
        for other in sources[1:]:
            yield forbidden(f"{here}.{other}", "may not specify more than 1 volume type")
        for source in sources[:1]:
            field = _NEEDED.get(source)
            if field is not None and not (one[source] or {}).get(field):
                yield required(f"{here}.{source}.{field}")
        if not name:
            yield required(f"{here}.name")
        else:
            yield from (invalid(f"{here}.name", name, text) for text in wrong_label(name))
            if name in seen:
                yield duplicate(f"{here}.name", name)
        seen.add(name)


def _security(context: Mapping[str, Any], at: str) -> Iterator[Cause]:
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        value = context.get(field)
        if value is not None and not 0 <= value <= _ID_LIMIT:
            yield invalid(f"{at}.{field}", value, f"must be between 0 and {_ID_LIMIT}, inclusive")


def _tolerations(tolerations: Sequence[Mapping[str, Any]], at: str) -> Iterator[Cause]:
    for index, one in enumerate(tolerations):
        here, operator = f"{at}[{index}].operator", one.get("operator", "")
        if key := one.get("key"):
            yield from (invalid(f"{at}[{index}].key", key, text) for text in wrong_qualified(key))
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(here, operator, text)
        if operator == "Exists" and one.get("value"):
            yield invalid(here, one["value"], "value must be empty when `operator` is 'Exists'")
        if operator not in {"", "Equal", "Exists"}:
            yield unsupported(here, operator, ("Equal", "Exists"))


def _affinity(affinity: Mapping[str, Any], at: str) -> Iterator[Cause]:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = (affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        for index, one in enumerate(terms):
            here = f"{at}.{kind}.requiredDuringSchedulingIgnoredDuringExecution[{index}]"
            if selector := one.get("labelSelector"):
                yield from check_selector(selector, f"{here}.matchExpressions")
            topology = one.get("topologyKey", "")
            if not topology:
                yield required(f"{here}.topologyKey", "can not be empty")
            yield from (invalid(f"{here}.topologyKey", topology, text) for text in wrong_qualified(topology))


def _spread(constraints: Sequence[Mapping[str, Any]], at: str) -> Iterator[Cause]:
    for index, one in enumerate(constraints):
        here = f"{at}[{index}]"
        if one.get("maxSkew", 0) <= 0:
            yield invalid(f"{here}.maxSkew", one.get("maxSkew", 0), "must be greater than zero")
        if not one.get("topologyKey"):
            yield required(f"{here}.topologyKey", "can not be empty")
        when = one.get("whenUnsatisfiable", "")
        if when not in {"DoNotSchedule", "ScheduleAnyway"}:
            yield unsupported(f"{here}.whenUnsatisfiable", when, ("DoNotSchedule", "ScheduleAnyway"))


_MUTABLE_CONTAINER: Final = frozenset({"image"})
_MUTABLE: Final = frozenset(
    {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates"}
)


def _changes(spec: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Cause]:
    """Say that a Pod's spec stays, but for its images, deadline, tolerations and ephemeral containers."""
    added = spec.get("tolerations") or ()
    if any(one not in added for one in old.get("tolerations") or ()):
        yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
    if _fixed(spec) != _fixed(old):
        yield forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 "
            "if it was previously negative)",
        )


def _fixed(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: value for key, value in spec.items() if key not in _MUTABLE and key != "ephemeralContainers"}
    for key in ("containers", "initContainers"):
        if key in kept:
            kept[key] = [
                {name: value for name, value in one.items() if name not in _MUTABLE_CONTAINER} for one in kept[key]
            ]
    return kept
