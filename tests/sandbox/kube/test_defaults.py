"""Rules of built-in defaults, one by one; the suite in tests/contract compares them with the real server."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.kube.defaults import set_defaults
from bot.sandbox.kube.defaults.core import pull_policy


def pod_template(**container: Any) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "x:1", **container}]}}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry.example.com:5000/nginx", "Always"),
        ("registry.example.com:5000/nginx:2", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_deployment_gets_its_strategy_and_its_pods_their_defaults() -> None:
    body = {"spec": {"template": pod_template(ports=[{"containerPort": 80}])}}
    set_defaults("apps", "v1", "Deployment", body)
    spec = body["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert spec["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_zero_replicas_are_a_choice() -> None:
    body = {"spec": {"replicas": 0, "template": pod_template()}}
    set_defaults("apps", "v1", "Deployment", body)
    assert body["spec"]["replicas"] == 0


def test_target_port_follows_the_port_and_type_decides_the_policies() -> None:
    body: dict[str, Any] = {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    set_defaults("", "v1", "Service", body)
    assert body["spec"] == {
        "type": "LoadBalancer",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "sessionAffinity": "None",
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "allocateLoadBalancerNodePorts": True,
    }


def test_requests_follow_limits_in_a_pod_only() -> None:
    limits = {"limits": {"cpu": "1"}}
    pod: dict[str, Any] = {"spec": pod_template(resources=dict(limits))["spec"]}
    set_defaults("", "v1", "Pod", pod)
    assert pod["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1"}
    deployment: dict[str, Any] = {"spec": {"template": pod_template(resources=dict(limits))}}
    set_defaults("apps", "v1", "Deployment", deployment)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["resources"] == limits


def test_probes_and_volumes_deep_in_a_cron_job() -> None:
    template = pod_template(livenessProbe={"httpGet": {"port": 80}})
    template["spec"]["volumes"] = [{"name": "a"}, {"name": "b", "secret": {"secretName": "s"}}]
    body: dict[str, Any] = {"spec": {"jobTemplate": {"spec": {"template": template}}}}
    set_defaults("batch", "v1", "CronJob", body)
    spec = body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    probe = spec["containers"][0]["livenessProbe"]
    assert (probe["failureThreshold"], probe["httpGet"]) == (3, {"port": 80, "path": "/", "scheme": "HTTP"})
    assert [volume.get("emptyDir", volume.get("secret")) for volume in spec["volumes"]] == [
        {},
        {"secretName": "s", "defaultMode": 0o644},
    ]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("", "Pod"),
        ("", "Service"),
        ("apps", "StatefulSet"),
        ("batch", "Job"),
        ("autoscaling", "HorizontalPodAutoscaler"),
    ],
)
def test_defaults_are_idempotent(group: str, kind: str) -> None:
    body: dict[str, Any] = {"metadata": {"name": "x"}}
    version = "v2" if group == "autoscaling" else "v1"
    set_defaults(group, version, kind, body)
    once = repr(body)
    set_defaults(group, version, kind, body)
    assert repr(body) == once
