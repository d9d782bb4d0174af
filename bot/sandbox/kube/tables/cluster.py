"""Cells of Nodes, Namespaces, Events, configuration, rights and what extends the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.tables.text import Cell, age, first, joined, look

_ROLE: Final = "node-role.kubernetes.io/"


def _node_status(body: Body, now: datetime) -> str:
    ready = [one["status"] == "True" for one in look(body, "status.conditions") or () if one["type"] == "Ready"]
    told = ["Unknown" if not ready else "Ready" if ready[0] else "NotReady"]
    return ",".join([*told, *(["SchedulingDisabled"] if look(body, "spec.unschedulable") else [])])


def _roles(body: Body, now: datetime) -> str:
    labels: Mapping[str, str] = look(body, "metadata.labels") or {}
    named = {key[len(_ROLE) :] for key in labels if key.startswith(_ROLE) and len(key) > len(_ROLE)}
    return joined(sorted(named | set(filter(None, [labels.get("kubernetes.io/role")]))))


def _address(type: str) -> Cell:
    def cell(body: Body, now: datetime) -> str:
        found = (one["address"] for one in look(body, "status.addresses") or () if one["type"] == type)
        return next(found, "<none>")

    return cell


def _kernel(body: Body, now: datetime) -> str:
    kernel, kind = look(body, "status.nodeInfo.kernelVersion"), look(body, "status.nodeInfo.architecture")
    return f"{kernel or '<unknown>'}{f' ({kind})' if kind else ''}"


def _first_seen(body: Body, now: datetime) -> str:
    return age(look(body, "firstTimestamp") or look(body, "deprecatedFirstTimestamp") or body.get("eventTime"), now)


def _last_seen(body: Body, now: datetime) -> str:
    if series := body.get("series"):
        return age(series.get("lastObservedTime"), now)
    last = body.get("lastTimestamp") or body.get("deprecatedLastTimestamp")
    return age(last, now) if last else _first_seen(body, now)


def _about(body: Body, now: datetime) -> str:
    target = body.get("involvedObject") or body.get("regarding") or {}
    return "/".join(filter(None, [str(target.get("kind") or "").lower(), target.get("name")]))


def _part(body: Body, now: datetime) -> str:
    return str((body.get("involvedObject") or body.get("regarding") or {}).get("fieldPath") or "")


def _source(body: Body, now: datetime) -> str:
    source = body.get("source") or body.get("deprecatedSource") or {}
    component = source.get("component") or body.get("reportingComponent") or body.get("reportingController")
    return ", ".join(filter(None, [component, source.get("host") or body.get("reportingInstance")]))


def _count(body: Body, now: datetime) -> int:
    return int((body.get("series") or {}).get("count") or body.get("count") or body.get("deprecatedCount") or 1)


def _message(body: Body, now: datetime) -> str:
    return str(body.get("message") or body.get("note") or "").strip()


def _subjects(kind: str) -> Cell:
    def cell(body: Body, now: datetime) -> str:
        named = (one for one in body.get("subjects") or () if one["kind"] == kind)
        return ", ".join(
            f"{one.get('namespace', '')}/{one['name']}" if kind == "ServiceAccount" else one["name"] for one in named
        )

    return cell


def _available(body: Body, now: datetime) -> str:
    for one in look(body, "status.conditions") or ():
        if one["type"] == "Available":
            return one["status"] if one["status"] == "True" else f"{one['status']} ({one.get('reason', '')})"
    return "Unknown"


def _established(body: Body, now: datetime) -> bool:
    found: Sequence[Mapping[str, Any]] = look(body, "status.conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in found)


def _versions(body: Body, now: datetime) -> str:
    served = (one for one in look(body, "spec.versions") or () if one.get("served"))
    return ",".join(sorted(f"{one['name']}{'(storage)' if one.get('storage') else ''}" for one in served))


def _quota(*, limits: bool) -> Cell:
    def cell(body: Body, now: datetime) -> str:
        hard, used = look(body, "status.hard") or {}, look(body, "status.used") or {}
        named = (name for name in sorted(hard) if name.startswith("limits.") == limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in named)

    return cell


def _size(*paths: str) -> Cell:
    return lambda body, now: sum(len(look(body, path) or ()) for path in paths)


def _service(body: Body, now: datetime) -> str:
    found = look(body, "spec.service")
    return f"{found['namespace']}/{found['name']}" if found else "Local"


def _kind(body: Body, now: datetime) -> str:
    found = look(body, "spec.paramKind")
    return f"{found['apiVersion']}/{found['kind']}" if found else "<unset>"


def _parameter(body: Body, now: datetime) -> str:
    found = look(body, "spec.paramRef") or {}
    return f"{found.get('namespace') or '*'}/{found['name']}" if found.get("name") else "<unset>"


_BINDING: Final[Mapping[str, Cell]] = {
    "Role": lambda body, now: f"{body['roleRef']['kind']}/{body['roleRef']['name']}",
    "Users": _subjects("User"),
    "Groups": _subjects("Group"),
    "ServiceAccounts": _subjects("ServiceAccount"),
}
_EVENT: Final[Mapping[str, Cell]] = {
    "Last Seen": _last_seen,
    "Type": first("type"),
    "Reason": first("reason"),
    "Object": _about,
    "Subobject": _part,
    "Source": _source,
    "Message": _message,
    "First Seen": _first_seen,
    "Count": _count,
}
_POLICY: Final[Mapping[str, Cell]] = {"PolicyName": first("spec.policyName"), "ParamRef": _parameter}
_ADMISSION: Final = "admissionregistration.k8s.io"

CELLS: Final[Mapping[str, Mapping[str, Cell]]] = {
    "nodes": {
        "Status": _node_status,
        "Roles": _roles,
        "Version": first("status.nodeInfo.kubeletVersion"),
        "Internal-IP": _address("InternalIP"),
        "External-IP": _address("ExternalIP"),
        "OS-Image": first("status.nodeInfo.osImage", "<unknown>"),
        "Kernel-Version": _kernel,
        "Container-Runtime": first("status.nodeInfo.containerRuntimeVersion", "<unknown>"),
    },
    "namespaces": {"Status": first("status.phase")},
    "events": _EVENT,
    "configmaps": {"Data": _size("data", "binaryData")},
    "secrets": {"Type": first("type"), "Data": _size("data")},
    "resourcequotas": {"Request": _quota(limits=False), "Limit": _quota(limits=True)},
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "leases.coordination.k8s.io": {"Holder": first("spec.holderIdentity")},
    "priorityclasses.scheduling.k8s.io": {
        "Value": lambda body, now: int(body.get("value") or 0),
        "Global-Default": lambda body, now: bool(body.get("globalDefault")),
        "PreemptionPolicy": first("preemptionPolicy"),
    },
    "runtimeclasses.node.k8s.io": {"Handler": first("handler")},
    "customresourcedefinitions.apiextensions.k8s.io": {
        "Scope": first("spec.scope"),
        "Versions": _versions,
        "Group": first("spec.group"),
        "Kind": first("spec.names.kind"),
        "ShortNames": lambda body, now: ",".join(look(body, "spec.names.shortNames") or ()),
        "Established": _established,
    },
    "apiservices.apiregistration.k8s.io": {"Service": _service, "Available": _available},
    f"mutatingwebhookconfigurations.{_ADMISSION}": {"Webhooks": _size("webhooks")},
    f"validatingwebhookconfigurations.{_ADMISSION}": {"Webhooks": _size("webhooks")},
    f"validatingadmissionpolicies.{_ADMISSION}": {"Validations": _size("spec.validations"), "ParamKind": _kind},
    f"mutatingadmissionpolicies.{_ADMISSION}": {"Mutations": _size("spec.mutations"), "ParamKind": _kind},
    f"validatingadmissionpolicybindings.{_ADMISSION}": _POLICY,
    f"mutatingadmissionpolicybindings.{_ADMISSION}": _POLICY,
    "flowschemas.flowcontrol.apiserver.k8s.io": {
        "PriorityLevel": first("spec.priorityLevelConfiguration.name"),
        "MatchingPrecedence": lambda body, now: look(body, "spec.matchingPrecedence"),
        "DistinguisherMethod": first("spec.distinguisherMethod.type", "<none>"),
        "MissingPL": lambda body, now: "False",
    },
}
