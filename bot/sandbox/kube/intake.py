"""What a body must be to be taken: of the right kind, name and version, with fields that the server knows. Pure.

Every function raises `StatusError` for what the client did wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from bot.sandbox.kube.errors import Cause, bad_request, invalid
from bot.sandbox.kube.forms import Form
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.orders import Strictness, Target
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.shapes import shape_of

OVERTAKEN: Final = "the object has been modified; please apply your changes to the latest version and try again"


def read(
    form: Form, resource: Resource, body: Body, strictness: Strictness, *, patch: str = ""
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body as the server holds it, and warnings. `patch` is what a patch is called in its errors."""
    if not isinstance(body, Mapping):
        raise bad_request("the request body is not an object")
    kind_matches(resource, body)
    body = {**body, "apiVersion": resource.api_version, "kind": resource.kind}
    new, unknown = form.read(body)
    new.setdefault("metadata", {})
    told = tuple(f'unknown field "{path}"' for path in unknown)
    if told and strictness is Strictness.STRICT:
        kind, version = resource.kind, resource.version
        strict = f"strict decoding error: {', '.join(told)}"
        if patch:
            message = f"Invalid value: {orjson.dumps(patch).decode()}: {strict}"
            raise invalid("", "", "", [Cause(reason="FieldValueInvalid", field="patch", message=message)])
        raise bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {strict}')
    return new, told if strictness is Strictness.WARN else ()


def kind_matches(resource: Resource, body: Body, *, applied: bool = False) -> None:
    api_version, kind = body.get("apiVersion") or resource.api_version, body.get("kind") or resource.kind
    if (api_version, kind) == (resource.api_version, resource.kind):
        return
    group, _, version = str(api_version).rpartition("/")
    if applied:
        if kind == resource.kind and group == resource.group:
            return  # the merge says what is wrong with the version
        raise bad_request(f"invalid object type: {group}/{version}, Kind={kind}")
    known = shape_of(group, version, str(kind)) is not None
    why = (
        f"converting ({version}.{kind}) to ({resource.group.partition('.')[0] or 'core'}.{resource.kind}): "
        "unknown conversion"
        if known
        else f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/runtime/scheme.go:111"'
    )
    raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {why}')


def expect_name(target: Target, body: dict[str, Any]) -> None:
    given = body["metadata"].get("name")
    if given and given != target.name:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({target.name})")
    if not given:
        raise bad_request(
            f"the name of the object ({given or ''} based on URL) was undeterminable: name must be provided"
        )


def expect_version(target: Target, new: Body, live: Body) -> None:
    """Raise `StatusError` 409 when the write insists on a state that is over."""
    given = new["metadata"].get("resourceVersion")
    if given and given != live["metadata"]["resourceVersion"]:
        raise target.conflict(OVERTAKEN)


def keep_reset(resource: Resource, given: Any, made: dict[str, Any]) -> None:
    """Put back an empty list of managedFields: of a built-in object it asks to forget all owners."""
    if resource.definition is None and (given.get("metadata") or {}).get("managedFields") == []:
        made["metadata"]["managedFields"] = []


def through_door(target: Target, live: Body, new: Body) -> dict[str, Any]:
    """Return the live object with only that changed which a subresource may change.

    Through `status`, built-in kinds take annotations and labels too; a Deployment takes no labels.
    """
    metadata = {**live["metadata"], "resourceVersion": new["metadata"].get("resourceVersion", "")}
    if uid := new["metadata"].get("uid"):
        metadata["uid"] = uid
    passed = {**live, "metadata": metadata}
    if target.subresource != "status":
        passed["spec"] = new.get("spec", {})
        return passed
    if "status" in new:
        passed["status"] = new["status"]
    else:
        passed.pop("status", None)
    if target.resource.definition is None:
        for name in ("annotations", *(() if target.resource.key == "deployments.apps" else ("labels",))):
            metadata.pop(name, None)
            if name in new["metadata"]:
                metadata[name] = new["metadata"][name]
    return passed
