"""What the server does to objects of one kind beside defaults: initial state, generation, what needs a version.

Pure. Source: PrepareForCreate and PrepareForUpdate in k8s.io/kubernetes/pkg/registry/*/*/strategy.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.sandbox.kube.kinds import CRDS, Resource
from bot.sandbox.kube.ports import Body

TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
# A PUT of these needs `metadata.resourceVersion`; custom resources need it too.
_CONDITIONAL: Final = frozenset(
    {
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "leases.coordination.k8s.io",
        "runtimeclasses.node.k8s.io",
        "poddisruptionbudgets.policy",
        "csidrivers.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        CRDS,
    }
)
# A PUT of these to a name that does not exist creates it.
_CREATED_BY_UPDATE: Final = frozenset(
    {
        "leases.coordination.k8s.io",
        "endpoints",
        "events",
        "limitranges",
        "services",
        "runtimeclasses.node.k8s.io",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
    }
)


def _spec(body: Body) -> Any:
    return body.get("spec")


def _webhooks(body: Body) -> Any:
    return body.get("webhooks")


def _deployment(body: Body) -> Any:
    return body.get("spec"), body["metadata"].get("annotations") or {}


def _endpoint_slice(body: Body) -> Any:
    return {name: value for name, value in body.items() if name != "metadata"}, body["metadata"].get("labels") or {}


def _nothing(body: Body) -> Any:
    return None


# What of an object is its desired state: a change of it is a new generation. Other built-in kinds have none.
_DESIRED: Final[Mapping[str, Callable[[Body], Any]]] = {
    **dict.fromkeys(
        (
            "daemonsets.apps",
            "statefulsets.apps",
            "replicasets.apps",
            "jobs.batch",
            "cronjobs.batch",
            "pods",
            "replicationcontrollers",
            "networkpolicies.networking.k8s.io",
            "ingresses.networking.k8s.io",
            "ingressclasses.networking.k8s.io",
            "poddisruptionbudgets.policy",
            "horizontalpodautoscalers.autoscaling",
            "flowschemas.flowcontrol.apiserver.k8s.io",
            "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
            "resourceslices.resource.k8s.io",
            "deviceclasses.resource.k8s.io",
            "validatingadmissionpolicies.admissionregistration.k8s.io",
            "validatingadmissionpolicybindings.admissionregistration.k8s.io",
            "mutatingadmissionpolicies.admissionregistration.k8s.io",
            "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
            CRDS,
        ),
        _spec,
    ),
    "deployments.apps": _deployment,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "podtemplates": lambda body: body.get("template"),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "priorityclasses.scheduling.k8s.io": _nothing,
}


def unconditional_update(resource: Resource) -> bool:
    """Whether a PUT may come without `metadata.resourceVersion`."""
    return resource.definition is None and resource.key not in _CONDITIONAL


def created_by_update(resource: Resource) -> bool:
    """Whether a PUT to a name that does not exist creates the object."""
    return resource.key in _CREATED_BY_UPDATE


def _desired(resource: Resource) -> Callable[[Body], Any] | None:
    if resource.definition is None:
        return _DESIRED.get(resource.key)
    passive = {"metadata", "status"} if resource.has_status else {"metadata"}
    return lambda body: {name: value for name, value in body.items() if name not in passive}


def begin_generation(resource: Resource, body: dict[str, Any]) -> None:
    if _desired(resource) is not None:
        body["metadata"]["generation"] = 1


def next_generation(resource: Resource, body: dict[str, Any], old: Body) -> None:
    """Count a change of the desired state."""
    desired = _desired(resource)
    if desired is not None and desired(body) != desired(old):
        body["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def prepare_create(resource: Resource, body: dict[str, Any]) -> None:
    """Give a new object the state that its controllers begin with."""
    if resource.has_status and resource.key not in {"nodes", "apiservices.apiregistration.k8s.io"}:
        body.pop("status", None)
    prepare = _CREATE.get(resource.key)
    if prepare is not None:
        prepare(body)
    begin_generation(resource, body)


def prepare_update(resource: Resource, body: dict[str, Any], old: Body) -> None:
    """Put back what an update of this kind cannot change."""
    prepare = _UPDATE.get(resource.key)
    if prepare is not None:
        prepare(body, old)


def _namespace(body: dict[str, Any]) -> None:
    body["spec"] = {"finalizers": ["kubernetes"]}
    body["status"] = {"phase": "Active"}
    _labels(body)["kubernetes.io/metadata.name"] = body["metadata"]["name"]


def _namespace_update(body: dict[str, Any], old: Body) -> None:
    body["spec"] = old.get("spec", {})


def _pod(body: dict[str, Any]) -> None:
    body["status"] = {"phase": "Pending", "qosClass": quality(body.get("spec") or {})}


def _job(body: dict[str, Any]) -> None:
    """Select the Pods of a Job by its uid, unless its author insists on a selector."""
    spec = body.get("spec") or {}
    if spec.get("manualSelector"):
        return
    uid, name = body["metadata"]["uid"], body["metadata"].get("name", "")
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    if labels and body["metadata"].get("labels") == labels:
        body["metadata"]["labels"] = labels  # defaulted from the template: in Go it is the same map from then on
    labels["controller-uid"] = labels["batch.kubernetes.io/controller-uid"] = uid
    labels["job-name"] = labels["batch.kubernetes.io/job-name"] = name
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault("batch.kubernetes.io/controller-uid", uid)


def _volume(body: dict[str, Any]) -> None:
    body["status"] = {"phase": "Pending", "lastPhaseTransitionTime": body["metadata"]["creationTimestamp"]}


def _service_update(body: dict[str, Any], old: Body) -> None:
    """Drop what belongs to the Service's former type, unless the update itself says it anew."""
    spec, before = dict(body.get("spec") or {}), old.get("spec") or {}
    kind = spec.get("type")
    gone = [
        *(() if kind in {"NodePort", "LoadBalancer"} else ("externalTrafficPolicy",)),
        *(
            ()
            if kind == "LoadBalancer"
            else ("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort")
        ),
        *(("internalTrafficPolicy",) if kind == "ExternalName" else ()),
    ]
    for name in gone:
        if spec.get(name) == before.get(name):
            spec.pop(name, None)
    if kind in {"ClusterIP", "ExternalName"} and _node_ports(spec) == _node_ports(before) and "ports" in spec:
        spec["ports"] = [{name: value for name, value in one.items() if name != "nodePort"} for one in spec["ports"]]
    body["spec"] = spec


def _node_ports(spec: Mapping[str, Any]) -> list[Any]:
    return [one.get("nodePort") for one in spec.get("ports") or ()]


def _daemon_set(body: dict[str, Any]) -> None:
    _annotations(body)[TEMPLATE_GENERATION] = "1"


def _daemon_set_update(body: dict[str, Any], old: Body) -> None:
    """Count the changes of the template where extensions/v1beta1 used to have a field for it."""
    before = (old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0")
    changed = (body.get("spec") or {}).get("template") != (old.get("spec") or {}).get("template")
    _annotations(body)[TEMPLATE_GENERATION] = str(int(before) + 1) if changed else before


def _definition(body: dict[str, Any]) -> None:
    spec = body.get("spec") or {}
    stored = [one.get("name", "") for one in spec.get("versions") or () if one.get("storage")][:1]
    body["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored or None}


def _labels(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["metadata"].setdefault("labels", {})
    return found


def _annotations(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body["metadata"].setdefault("annotations", {})
    return found


_CREATE: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    "namespaces": _namespace,
    "pods": _pod,
    "jobs.batch": _job,
    "persistentvolumes": _volume,
    "daemonsets.apps": _daemon_set,
    CRDS: _definition,
}
_UPDATE: Final[Mapping[str, Callable[[dict[str, Any], Body], None]]] = {
    "namespaces": _namespace_update,
    "daemonsets.apps": _daemon_set_update,
    "services": _service_update,
}


def quality(spec: Mapping[str, Any]) -> str:
    """Return the quality of service class of a Pod."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    guaranteed, any_given = True, False
    for one in containers:
        resources = one.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            any_given = any_given or name in requests or name in limits
            guaranteed = guaranteed and name in limits and requests.get(name, limits[name]) == limits[name]
    if not any_given:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
