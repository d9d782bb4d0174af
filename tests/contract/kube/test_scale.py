"""Who owns the replicas that are set through `scale`, and what an apply there is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.kube.conftest import NAMESPACE
from tests.contract.kube.servers import APPLY, JSON, JSON_PATCH, MERGE, Answer, Server, comparable

pytestmark = pytest.mark.cluster

PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/scaled"
WHOLE = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "scaled"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "x:1"}]}},
    },
}


def scale(replicas: int) -> dict[str, Any]:
    metadata = {"name": "scaled", "namespace": NAMESPACE}
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": {"replicas": replicas}}


def played(server: Server) -> list[Any]:
    """Return what a server answers to each way of scaling, with the object after it."""

    def seen(answer: Answer) -> Any:
        return answer.code, comparable(answer.body), comparable(server.send("GET", PATH).body)

    def apply(force: bool, manager: str = "applier") -> Answer:
        query = {"fieldManager": manager, "force": str(force).lower()}
        return server.send("PATCH", f"{PATH}/scale", scale(5), media=APPLY, **query)

    replaced = [{"op": "replace", "path": "/spec/replicas", "value": 6}]
    try:
        return [
            seen(server.send("PATCH", PATH, WHOLE, media=APPLY, fieldManager="bot")),
            seen(server.send("PATCH", f"{PATH}/scale", {"spec": {"replicas": 3}}, media=MERGE, fieldManager="merger")),
            seen(server.send("PUT", f"{PATH}/scale", scale(4), media=JSON, fieldManager="putter")),
            seen(apply(force=False)),
            seen(apply(force=True)),
            seen(apply(force=False)),
            seen(apply(force=False, manager="second")),
            seen(server.send("PATCH", PATH, WHOLE, media=APPLY, fieldManager="bot")),
            seen(server.send("PATCH", f"{PATH}/scale", replaced, media=JSON_PATCH, fieldManager="jsoner")),
            seen(server.send("PATCH", f"{PATH}/scale", {"spec": {"replicas": -1}}, media=MERGE)),
        ]
    finally:
        server.send("DELETE", PATH)


def test_both_servers_keep_the_owners_of_replicas_alike(real: Server, sandbox: Server) -> None:
    assert played(sandbox) == played(real)
