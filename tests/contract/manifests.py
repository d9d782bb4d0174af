"""Manifests of the tests, as people write them."""

from __future__ import annotations

import json
from typing import Any


def notes(**values: str) -> str:
    """Return annotations as JSON: `prune="disabled"` is `gitops-bot/prune: disabled`."""
    return json.dumps({f"gitops-bot/{key}": value for key, value in values.items()})


def config(name: str, level: str = "info", *, namespace: str = "", **annotations: str) -> str:
    place = f", namespace: {namespace}" if namespace else ""
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{place}, annotations: {notes(**annotations)}}}\n"
        f"data: {{level: {level}}}\n"
    )


def secret(name: str, value: str, *, immutable: bool = False, **annotations: str) -> str:
    return (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, annotations: {notes(**annotations)}}}\n"
        f"immutable: {json.dumps(immutable)}\nstringData: {{token: {value}}}\n"
    )


def deployment(name: str, image: str = "nginx:1", *, replicas: int = 1, env_from: str = "", **annotations: str) -> str:
    source = f", envFrom: [{{configMapRef: {{name: {env_from}}}}}]" if env_from else ""
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, annotations: {notes(**annotations)}}}\n"
        f"spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {name}}}}}\n"
        f"  template:\n    metadata: {{labels: {{app: {name}}}}}\n"
        f"    spec: {{containers: [{{name: main, image: '{image}'{source}}}]}}\n"
    )


def job(name: str, image: str = "busybox:1", *, extra: str = "", **annotations: str) -> str:
    return (
        f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, annotations: {notes(**annotations)}}}\n"
        f"spec:\n  backoffLimit: 0\n{extra}  template:\n    spec:\n      restartPolicy: Never\n"
        f"      containers: [{{name: main, image: '{image}'}}]\n"
    )


def namespace(name: str) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"


def definition(group: str, kind: str = "Widget", plural: str = "widgets", *, scope: str = "Namespaced") -> str:
    return (
        f"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {plural}.{group}}}\n"
        f"spec:\n  group: {group}\n  scope: {scope}\n  names: {{kind: {kind}, plural: {plural}}}\n  versions:\n"
        "    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: "
        "{spec: {type: object, properties: {size: {type: integer, default: 3}}}}}}}\n"
    )


def widget(group: str, name: str = "w") -> str:
    return f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: {name}}}\nspec: {{}}\n"


def api_service(group: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            **spec,
        },
    }
