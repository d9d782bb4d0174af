"""The control plane behaves like a cluster: what health is tested on is real but for the kubelet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.controlplane.plane import ControlPlane
from tests.waiting import until

pytestmark = pytest.mark.cluster


def pod_template(image: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "main", "image": image}], **spec}}


def deployment(image: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": pod_template(image)},
    }


def test_deployment_becomes_ready(control_plane: ControlPlane, kube_namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{kube_namespace}/deployments"
    control_plane.request("POST", path, body=deployment("nginx:1"))
    until(lambda: control_plane.request("GET", f"{path}/x")["status"].get("readyReplicas") == 1)


@pytest.mark.parametrize(
    ("image", "reason"),
    [("gitops-bot.test/bad-image:1", "ImagePullBackOff"), ("gitops-bot.test/crash-loop:1", "CrashLoopBackOff")],
)
def test_image_decides_how_a_pod_fails(
    image: str, reason: str, control_plane: ControlPlane, kube_namespace: str
) -> None:
    path = f"/apis/apps/v1/namespaces/{kube_namespace}/deployments"
    control_plane.request("POST", path, body=deployment(image))

    def reasons() -> bool:
        pods = control_plane.request("GET", f"/api/v1/namespaces/{kube_namespace}/pods")["items"]
        states = [one["state"] for pod in pods for one in pod["status"].get("containerStatuses", ())]
        return [state.get("waiting", {}).get("reason") for state in states] == [reason]

    until(reasons)


def test_job_with_the_failing_image_fails(control_plane: ControlPlane, kube_namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{kube_namespace}/jobs"
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "x"},
        "spec": {"backoffLimit": 0, "template": pod_template("gitops-bot.test/failing-job:1", restartPolicy="Never")},
    }
    control_plane.request("POST", path, body=job)
    until(lambda: control_plane.request("GET", f"{path}/x")["status"].get("failed") == 1)
