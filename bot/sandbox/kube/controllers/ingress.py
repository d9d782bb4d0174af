"""Ingresses: the address of the controller that serves them, as an ingress controller writes it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bot.sandbox.kube.controllers.decision import NOTHING, Decision, Update
from bot.sandbox.kube.controllers.objects import is_leaving, status_of, time_until, with_status
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.view import View, key_of
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "ingresses.networking.k8s.io"
ADDRESS: Final = "172.18.128.1"  # one controller serves them all
_MANAGER: Final = "nginx-ingress-controller"


def decide(ingress: Body, view: View, now: datetime, *, pace: Pace) -> Decision:
    """Give an Ingress its address once."""
    if is_leaving(ingress) or (status_of(ingress).get("loadBalancer") or {}).get("ingress"):
        return NOTHING
    if wait := time_until(view.since(key_of(RESOURCE, ingress)) + pace.provision, now):
        return Decision(again_in=wait)
    body = with_status(ingress, {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}})
    return Decision(writes=(Update(resource=RESOURCE, body=body, manager=_MANAGER, subresource="status"),))
