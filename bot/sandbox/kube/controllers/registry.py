"""Which decisions are taken about which resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from bot.sandbox.kube.controllers import (
    autoscaler,
    cron_job,
    daemon_set,
    deployment,
    disruption,
    ingress,
    job,
    kubelet,
    namespace,
    nodes,
    replica_set,
    scheduler,
    service,
    stateful_set,
    volume_use,
    volumes,
)
from bot.sandbox.kube.controllers.decision import Decision
from bot.sandbox.kube.controllers.endpoints import SLICES
from bot.sandbox.kube.controllers.images import Images
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.revisions import RESOURCE as REVISIONS
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

Decide = Callable[[Body, View, datetime], Decision]

# Looked at, but decided about only through others.
BESIDE: Final = (SLICES, REVISIONS, volumes.CLASSES, "serviceaccounts", "configmaps")


def deciders(pace: Pace, images: Images, ca: str) -> Mapping[str, tuple[Decide, ...]]:
    """Return the decisions by resource; `ca` is the certificate authority that every namespace is told."""
    return {
        deployment.RESOURCE: (deployment.decide,),
        replica_set.RESOURCE: (replica_set.decide,),
        stateful_set.RESOURCE: (stateful_set.decide,),
        daemon_set.RESOURCE: (daemon_set.decide,),
        job.RESOURCE: (partial(job.decide, pace=pace),),
        cron_job.RESOURCE: (cron_job.decide,),
        "pods": (
            partial(scheduler.decide, pace=pace),
            partial(kubelet.decide, pace=pace, images=images),
            job.release,
        ),
        service.RESOURCE: (partial(service.decide, pace=pace),),
        "endpoints": (service.forget,),
        volume_use.CLAIMS: (partial(volumes.claim, pace=pace), volume_use.decide),
        volumes.VOLUMES: (volumes.volume,),
        autoscaler.RESOURCE: (autoscaler.decide,),
        disruption.RESOURCE: (disruption.decide,),
        ingress.RESOURCE: (partial(ingress.decide, pace=pace),),
        "namespaces": (partial(namespace.decide, ca=ca),),
        "nodes": (nodes.decide,),
    }
