"""Defaults of the kinds around workloads: network, RBAC, storage, admission, custom resources.

Source: k8s.io/kubernetes `pkg/apis/{networking,rbac,storage,...}/v1`, SetDefaults_*, 1.37.
"""

from __future__ import annotations

from typing import Final

from bot.sandbox.kube.defaults.values import Rules, Value, fill, filled, items, positive, struct


def _network_policy(policy: Value) -> None:
    spec = struct(policy, "spec")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _ingress_class(ingress_class: Value) -> None:
    parameters = (ingress_class.get("spec") or {}).get("parameters")
    if parameters is not None:
        fill(parameters, scope="Cluster")


def _binding(binding: Value) -> None:
    fill(struct(binding, "roleRef"), apiGroup="rbac.authorization.k8s.io")


def _subject(subject: Value) -> None:
    if subject.get("kind") in ("User", "Group"):
        fill(subject, apiGroup="rbac.authorization.k8s.io")


def _webhook(webhook: Value) -> None:
    fill(
        webhook,
        failurePolicy="Fail",
        matchPolicy="Equivalent",
        namespaceSelector={},
        objectSelector={},
        timeoutSeconds=10,
    )


def _mutating_webhook(webhook: Value) -> None:
    _webhook(webhook)
    fill(webhook, reinvocationPolicy="Never")


def _storage_class(storage_class: Value) -> None:
    fill(storage_class, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _csi_driver(driver: Value) -> None:
    spec = struct(driver, "spec")
    fill(
        spec,
        attachRequired=True,
        podInfoOnMount=False,
        storageCapacity=False,
        fsGroupPolicy="ReadWriteOnceWithFSType",
        requiresRepublish=False,
        seLinuxMount=False,
        preventPodSchedulingIfMissing=False,
    )
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _custom_resource_definition(crd: Value) -> None:
    spec = struct(crd, "spec")
    names = struct(spec, "names")
    kind = names.get("kind") or ""
    fill(names, singular=kind.lower(), listKind=f"{kind}List" if kind else "")
    if spec.get("conversion") is None:
        spec["conversion"] = {"strategy": "None"}
    status = struct(crd, "status")
    if not status.get("storedVersions"):
        stored = [version.get("name") for version in items(spec, "versions") if version.get("storage")]
        if stored:
            status["storedVersions"] = stored[:1]


DISCOVERY: Final[Rules] = {
    "EndpointPort": filled(name="", protocol="TCP"),
}

NETWORKING: Final[Rules] = {
    "IngressClass": _ingress_class,
    "NetworkPolicy": _network_policy,
    "NetworkPolicyPort": filled(protocol="TCP"),
}

RBAC: Final[Rules] = {
    "ClusterRoleBinding": _binding,
    "RoleBinding": _binding,
    "Subject": _subject,
}

SCHEDULING: Final[Rules] = {
    "PriorityClass": filled(preemptionPolicy="PreemptLowerPriority"),
}

STORAGE: Final[Rules] = {
    "CSIDriver": _csi_driver,
    "StorageClass": _storage_class,
}

ADMISSION: Final[Rules] = {
    "MatchResources": filled(matchPolicy="Equivalent", namespaceSelector={}, objectSelector={}),
    "MutatingAdmissionPolicySpec": filled(failurePolicy="Fail"),
    "MutatingWebhook": _mutating_webhook,
    "RuleWithOperations": filled(scope="*"),
    "ServiceReference": filled(port=443),
    "ValidatingAdmissionPolicySpec": filled(failurePolicy="Fail"),
    "ValidatingWebhook": _webhook,
}

EXTENSIONS: Final[Rules] = {
    "CustomResourceDefinition": _custom_resource_definition,
    "ServiceReference": filled(port=443),
}

AGGREGATION: Final[Rules] = {
    "ServiceReference": filled(port=443),
}

FLOW_CONTROL: Final[Rules] = {
    "ExemptPriorityLevelConfiguration": filled(nominalConcurrencyShares=0, lendablePercent=0),
    "FlowSchemaSpec": positive(matchingPrecedence=1000),
    "LimitedPriorityLevelConfiguration": filled(nominalConcurrencyShares=30, lendablePercent=0),
    "QueuingConfiguration": positive(handSize=8, queues=64, queueLengthLimit=50),
}
