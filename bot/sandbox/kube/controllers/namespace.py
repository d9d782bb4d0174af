"""What every Namespace has: the default ServiceAccount and the ConfigMap with the cluster's certificate authority.

Source: k8s.io/kubernetes/pkg/controller, serviceaccount and certificates/rootcacertpublisher.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.sandbox.kube.controllers.decision import NOTHING, Create, Decision, Update, Write
from bot.sandbox.kube.controllers.objects import is_leaving, name_of
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


def decide(namespace: Body, view: View, now: datetime, *, ca: str) -> Decision:
    """Return what is missing in a Namespace that stays."""
    if is_leaving(namespace):
        return NOTHING
    name, writes = name_of(namespace), list[Write]()
    if view.get("serviceaccounts", name, ACCOUNT) is None:
        writes.append(Create(resource="serviceaccounts", body=_named("ServiceAccount", ACCOUNT, name)))
    found = view.get("configmaps", name, ROOT_CA)
    data = {"ca.crt": ca}
    if found is None:
        body = _named("ConfigMap", ROOT_CA, name, annotations={"kubernetes.io/description": _DESCRIPTION})
        writes.append(Create(resource="configmaps", body={**body, "data": data}))
    elif found.get("data") != data:
        writes.append(Update(resource="configmaps", body={**found, "data": data}))
    return Decision(writes=tuple(writes))


def _named(kind: str, name: str, namespace: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}}
