"""The `scale` door: the replicas of any kind that has some, as a Scale of autoscaling/v1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.sandbox.kube.errors import Cause, StatusError, invalid, method_not_allowed
from bot.sandbox.kube.json_patch import json_patch, merge_patch
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.orders import PatchType, Target, Write
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.requests import Reply, Request, json_reply
from bot.sandbox.kube.tables.custom import look
from bot.sandbox.kube.tables.text import selector as selector_text
from bot.sandbox.kube.writes import Writer


def scale(writer: Writer, target: Target, parent: Body, request: Request, write: Write) -> Reply:
    """Show or set the replicas of a parent. Raises `StatusError`."""
    paths = _scale_paths(target.resource)
    shown = _scale_of(parent, paths)
    if request.method == "GET":
        return json_reply(shown)
    document, applied = request.document(), False
    match request.method:
        case "PUT":
            wanted = document
        case "PATCH":
            kind = PatchType.of(request.headers.get("content-type", ""))
            applied = kind is PatchType.APPLY
            wanted = json_patch(shown, document) if kind is PatchType.JSON else merge_patch(shown, document)
        case _:
            raise method_not_allowed()
    replicas = (wanted.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        cause = Cause(
            reason="FieldValueInvalid",
            field="spec.replicas",
            message=f"Invalid value: {replicas}: must be greater than or equal to 0",
        )
        raise invalid("autoscaling", "Scale", target.name, [cause])
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version and version != parent["metadata"]["resourceVersion"]:
        raise target.conflict(
            "the object has been modified; please apply your changes to the latest version and try again"
        )
    patch: Any = replicas
    for step in reversed(paths["spec"].strip(".").split(".")):
        patch = {step: patch}
    if applied:
        patch |= {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
    try:
        written = writer.patch(target, PatchType.APPLY if applied else PatchType.MERGE, patch, write)
    except StatusError as error:
        raise _as_scale(error, target) from error
    return json_reply(_scale_of(written.body, paths))


def _scale_paths(resource: Resource) -> Mapping[str, str]:
    if resource.definition is None:
        return {"spec": ".spec.replicas", "status": ".status.replicas", "selector": ""}
    declared = (resource.definition.get("subresources") or {}).get("scale") or {}
    return {
        "spec": declared.get("specReplicasPath", ".spec.replicas"),
        "status": declared.get("statusReplicasPath", ".status.replicas"),
        "selector": declared.get("labelSelectorPath", ""),
    }


def _scale_of(parent: Body, paths: Mapping[str, str]) -> dict[str, Any]:
    metadata = parent["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = look(parent, paths["spec"])
    status: dict[str, Any] = {"replicas": look(parent, paths["status"]) or 0}
    declared = (parent.get("spec") or {}).get("selector")
    if paths["selector"]:
        text = look(parent, paths["selector"]) or ""
    elif isinstance(declared, Mapping) and ("matchLabels" in declared or "matchExpressions" in declared):
        text = selector_text(declared)
    else:
        text = ",".join(f"{key}={value}" for key, value in (declared or {}).items())
    if text:
        status["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def _as_scale(error: StatusError, target: Target) -> StatusError:
    """Tell a conflict in the version of the Scale, in which the real server compares."""
    here, there = f"using {target.resource.api_version}", "using autoscaling/v1"
    error.message = error.message.replace(here, there)
    error.causes = tuple(replace(one, message=one.message.replace(here, there)) for one in error.causes)
    return error
