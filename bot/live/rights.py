"""What the API server lets us do, ourselves and as the accounts we write as: for `gitops-bot check`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bot.errors import Problem
from bot.live.transport import Transport
from bot.model.rights import Grant

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_AT_ONCE: Final = 16


def lacking(transport: Transport, grants: Sequence[Grant]) -> tuple[Problem, ...]:
    """Return the grants that the cluster does not give, each with its fix. Raises `ClusterError`."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="rights") as pool:
        given = list(pool.map(lambda grant: _is_given(transport, grant), grants))
    name = transport.spec.name
    return tuple(
        Problem(
            message=f"cluster {name}: {f'{grant.user} may' if grant.user else 'we may'} not {grant}; "
            "apply what `gitops-bot rbac` prints",
            subject=name,
        )
        for grant, is_given in zip(grants, given, strict=True)
        if not is_given
    )


def _is_given(transport: Transport, grant: Grant) -> bool:
    plural, _, subresource = grant.resource.plural.partition("/")
    attributes = {
        "verb": grant.verb,
        "namespace": grant.resource.namespace,
        "group": grant.resource.group,
        "resource": plural,
        "subresource": subresource,
        "name": grant.name,
    }
    reply = transport.request(
        "POST",
        _REVIEWS,
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
        user=grant.user,
    )
    return bool((reply.body.get("status") or {}).get("allowed"))
