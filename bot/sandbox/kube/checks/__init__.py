"""What the real server refuses in objects that have the right types: one file per family of kinds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bot.sandbox.kube.checks import batch, config, definitions, expressions, network, policies, storage, workloads
from bot.sandbox.kube.checks.names import check_metadata
from bot.sandbox.kube.checks.pods import check_pod
from bot.sandbox.kube.checks.services import check_service
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.kinds import CRDS, Resource
from bot.sandbox.kube.ports import Body

Check = Callable[[Body, Body | None], Iterator[Cause]]

_CHECKS: Final[Mapping[str, Check]] = {
    "pods": check_pod,
    "services": check_service,
    "configmaps": config.check_config_map,
    "secrets": config.check_secret,
    "events": policies.check_event,
    "persistentvolumeclaims": storage.check_claim,
    "persistentvolumes": storage.check_volume,
    "storageclasses.storage.k8s.io": storage.check_class,
    "jobs.batch": batch.check_job,
    "cronjobs.batch": batch.check_cron_job,
    "ingresses.networking.k8s.io": network.check_ingress,
    "networkpolicies.networking.k8s.io": network.check_network_policy,
    "poddisruptionbudgets.policy": policies.check_budget,
    "horizontalpodautoscalers.autoscaling": policies.check_autoscaler,
    "roles.rbac.authorization.k8s.io": policies.check_role,
    "clusterroles.rbac.authorization.k8s.io": policies.check_cluster_role,
    "rolebindings.rbac.authorization.k8s.io": policies.check_binding,
    "clusterrolebindings.rbac.authorization.k8s.io": policies.check_cluster_binding,
    "priorityclasses.scheduling.k8s.io": policies.check_priority,
    "leases.coordination.k8s.io": policies.check_lease,
    CRDS: definitions.check_definition,
    "validatingadmissionpolicies.admissionregistration.k8s.io": expressions.check_validating_policy,
    "mutatingadmissionpolicies.admissionregistration.k8s.io": expressions.check_mutating_policy,
    "deployments.apps": workloads.check_deployment,
    "replicasets.apps": workloads.check_replica_set,
    "daemonsets.apps": workloads.check_daemon_set,
    "statefulsets.apps": workloads.check_stateful_set,
}


def check(resource: Resource, body: Body, old: Body | None) -> Sequence[Cause]:
    """Return everything wrong with an object, in the real server's order as far as it has one."""
    found = list(check_metadata(resource, body, old))
    inside = _CHECKS.get(resource.key)
    if inside is not None:
        found += inside(body, old)
    return list(dict.fromkeys(found))
