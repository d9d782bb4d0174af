"""What the real server refuses in objects that have the right types: one file per family of kinds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bot.sandbox.kube.checks import workloads
from bot.sandbox.kube.checks.names import check_metadata
from bot.sandbox.kube.checks.pods import check_pod
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body

Check = Callable[[Body, Body | None], Iterator[Cause]]

_CHECKS: Final[Mapping[str, Check]] = {
    "pods": check_pod,
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
