"""What a write stores, and when it stores nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.kube.api import Api
from bot.sandbox.kube.ports import Body

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {"template": {"spec": {"containers": [{"name": "a", "image": "x:1"}], "restartPolicy": "Never"}}},
}
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"level": "info"}}


def versions(resource: str, body: dict[str, Any], writes: int) -> list[str]:
    """Return the resourceVersion after a create, and after each of some writes that change nothing."""
    api = Api()
    api.create("namespaces", NAMESPACE, manager="a")
    made = api.create(resource, {**body, "metadata": {"name": "x", "namespace": "shop"}}, manager="a")
    after = [_touched(api, resource) for _ in range(writes)]
    return [one["metadata"]["resourceVersion"] for one in (made, *after)]


def _touched(api: Api, resource: str) -> Body:
    return api.patch(resource, "shop", "x", {}, manager="a")


@pytest.mark.parametrize(("resource", "body"), [("persistentvolumeclaims", CLAIM), ("jobs.batch", JOB)])
def test_first_write_that_changes_nothing_stores_what_readers_saw_already(resource: str, body: dict[str, Any]) -> None:
    """The status of a new claim and the labels of a new Job are defaults that the stored bytes do not have yet."""
    made, first, second = versions(resource, body, 2)
    assert made != first == second


def test_write_that_changes_nothing_stores_nothing() -> None:
    assert len(set(versions("configmaps", SETTINGS, 2))) == 1
