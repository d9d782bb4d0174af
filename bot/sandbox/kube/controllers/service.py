"""Services: which Pods stand behind them (EndpointSlices, and Endpoints as before), and the address of a load balancer.

Source: k8s.io/endpointslice, k8s.io/kubernetes/pkg/controller/endpoint, k8s.io/cloud-provider/controllers/service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import CLOUD_CONTROLLER, NOTHING, Decision, Delete, Tell, Update, Write
from bot.sandbox.kube.controllers.endpoints import endpoints_of, slices_of
from bot.sandbox.kube.controllers.objects import (
    is_leaving,
    is_subset,
    labels_of,
    metadata,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    time_until,
    uid_of,
    with_metadata,
    with_status,
    without_finalizer,
)
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.view import View, key_of
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "services"
CLEANUP: Final = "service.kubernetes.io/load-balancer-cleanup"
_COMPONENT: Final = "service-controller"


def decide(service: Body, view: View, now: datetime, *, pace: Pace) -> Decision:
    """Return the slices and Endpoints to write, and the steps of a load balancer."""
    writes: list[Write] = []
    selector: Mapping[str, str] | None = spec_of(service).get("selector")
    if selector and spec_of(service).get("type") != "ExternalName" and not is_leaving(service):
        pods = [pod for pod in view.within("pods", namespace_of(service)) if is_subset(selector, labels_of(pod))]
        writes += slices_of(service, pods, view)
        writes += endpoints_of(service, pods, view)
    balancer = _balance(service, view, now, pace)
    return Decision(writes=(*writes, *balancer.writes), again_in=balancer.again_in)


def forget(endpoints: Body, view: View, now: datetime) -> Decision:
    """Delete the Endpoints of a Service that is gone: no owner reference does it."""
    ours = labels_of(endpoints).get("endpoints.kubernetes.io/managed-by") == "endpoint-controller"
    if not ours or view.get(RESOURCE, namespace_of(endpoints), name_of(endpoints)) is not None:
        return NOTHING
    gone = Delete(
        resource="endpoints", namespace=namespace_of(endpoints), name=name_of(endpoints), uid=uid_of(endpoints)
    )
    return Decision(writes=(gone,))


def address_of(body: Body) -> str:
    """Return the address a load balancer gives an object; it follows from the uid."""
    first, second = hashlib.sha256(uid_of(body).encode()).digest()[:2]
    return f"172.18.{129 + first % 126}.{1 + second % 254}"


def _balance(service: Body, view: View, now: datetime, pace: Pace) -> Decision:
    kept: Sequence[str] = metadata(service).get("finalizers") or ()
    ingress = (status_of(service).get("loadBalancer") or {}).get("ingress")
    if spec_of(service).get("type") != "LoadBalancer" or is_leaving(service):
        if CLEANUP not in kept:
            return NOTHING
        if ingress and not is_leaving(service):
            return Decision(writes=(_status(service, {}),))
        update = Update(resource=RESOURCE, body=without_finalizer(service, CLEANUP), manager=CLOUD_CONTROLLER)
        return Decision(writes=(update, _tell(service, "DeletedLoadBalancer", "Deleted load balancer")))
    if CLEANUP not in kept:
        body = with_metadata(service, finalizers=[*kept, CLEANUP])
        ensuring = _tell(service, "EnsuringLoadBalancer", "Ensuring load balancer")
        return Decision(writes=(Update(resource=RESOURCE, body=body, manager=CLOUD_CONTROLLER), ensuring))
    if ingress:
        return NOTHING
    if wait := time_until(view.since(key_of(RESOURCE, service)) + pace.provision, now):
        return Decision(again_in=wait)
    status = _status(service, {"ingress": [{"ip": address_of(service), "ipMode": "VIP"}]})
    return Decision(writes=(status, _tell(service, "EnsuredLoadBalancer", "Ensured load balancer")))


def _status(service: Body, balancer: Mapping[str, Any]) -> Update:
    body = with_status(service, {**status_of(service), "loadBalancer": balancer})
    return Update(resource=RESOURCE, body=body, manager=CLOUD_CONTROLLER, subresource="status")


def _tell(service: Body, reason: str, message: str) -> Tell:
    return Tell(about=service, reason=reason, message=message, component=_COMPONENT)
