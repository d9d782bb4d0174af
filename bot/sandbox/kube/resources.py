"""Requests about resources: read, list, watch, create, replace, patch and delete what a cluster holds.

Whoever comes here is known and allowed to. Raises `StatusError` for everything the client did wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.kube.api import Api
from bot.sandbox.kube.authorization import User
from bot.sandbox.kube.conversion import convert
from bot.sandbox.kube.deletes import Deleted, delete_of
from bot.sandbox.kube.errors import (
    Cause,
    StatusError,
    bad_request,
    invalid,
    method_not_allowed,
    path_not_found,
)
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.orders import PatchType, Strictness, Target, Write, Written
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.reading import FORMS, collection, rendered, selection
from bot.sandbox.kube.requests import Asked, Reply, Request, Stream, Wanted, json_reply, wanted
from bot.sandbox.kube.subresources import Subresources
from bot.sandbox.kube.watching import watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request, what its path asks for, and who sent it."""

    request: Request
    wants: Asked
    resource: Resource
    user: User


class Resources:
    """Thread-safe."""

    def __init__(self, api: Api, subresources: Subresources) -> None:
        self._api, self._subresources = api, subresources

    def answer(self, call: Call) -> Reply | Stream:
        if call.wants.subresource:
            return self._subresource(call)
        return self._object(call) if call.wants.name else self._collection(call)

    def _collection(self, call: Call) -> Reply | Stream:
        request, wants, resource = call.request, call.wants, call.resource
        form = wanted(request.headers.get("accept", ""), FORMS)
        match request.method:
            case "GET" | "HEAD":
                chosen = selection(resource, wants.namespace, request.query)
                if request.flag("watch"):
                    return watch(self._api.store, resource, chosen, request, form)
                found = collection(self._api.store, resource, chosen, request)
                return json_reply(rendered(resource, found, form, request.query))
            case "POST":
                if resource.namespaced and not wants.namespace:
                    raise method_not_allowed()
                write = self._write(call)
                written = self._api.writer.create(resource, wants.namespace, _body(request), write)
                return _written(resource, written, form, request.query)
            case "DELETE":
                return self._delete_all(call)
            case _:
                raise method_not_allowed()

    def _object(self, call: Call) -> Reply | Stream:
        request, wants, resource = call.request, call.wants, call.resource
        form = wanted(request.headers.get("accept", ""), FORMS)
        target = Target(resource=resource, namespace=wants.namespace, name=wants.name)
        match request.method:
            case "GET" | "HEAD" if request.flag("watch"):
                chosen = selection(resource, wants.namespace, request.query, name=wants.name)
                return watch(self._api.store, resource, chosen, request, form)
            case "DELETE":
                options = _body(request) if request.body else {}
                asked_for = delete_of(options, request.query, call.user)
                return _deleted(resource, self._api.deleter.delete(resource, wants.namespace, wants.name, asked_for))
            case _:
                return self._one(call, target, form)

    def _subresource(self, call: Call) -> Reply | Stream:
        request, wants, resource = call.request, call.wants, call.resource
        target = Target(resource=resource, namespace=wants.namespace, name=wants.name, subresource=wants.subresource)
        if wants.subresource not in resource.subresources:
            raise path_not_found()
        if self._subresources.special(target):
            return self._subresources.answer(target, request, self._write(call))
        return self._one(call, target, wanted(request.headers.get("accept", ""), FORMS))

    def _one(self, call: Call, target: Target, form: Wanted) -> Reply:
        """Read, replace or patch an object, or a subresource that is a part of it."""
        request, resource = call.request, call.resource
        match request.method:
            case "GET" | "HEAD":
                there = self._api.store.get(resource.key, target.namespace, target.name)
                if there is None:
                    raise target.missing()
                return json_reply(rendered(resource, convert(there, resource, resource.version), form, request.query))
            case "PUT":
                written = self._api.writer.update(target, _body(request), self._write(call))
                return _written(resource, written, form, request.query)
            case "PATCH":
                return self._patch(call, target, form)
            case _:
                raise method_not_allowed()

    def _patch(self, call: Call, target: Target, form: Wanted) -> Reply:
        request = call.request
        kind = PatchType.of(request.headers.get("content-type", ""))
        write = self._write(call, patch=kind)
        written = self._api.writer.patch(target, kind, request.document(), write)
        return _written(target.resource, written, form, request.query)

    def _delete_all(self, call: Call) -> Reply:
        request, wants, resource = call.request, call.wants, call.resource
        if resource.namespaced and not wants.namespace:
            raise method_not_allowed()
        chosen = selection(resource, wants.namespace, request.query)
        options = delete_of(_body(request) if request.body else {}, request.query, call.user)
        found = collection(self._api.store, resource, chosen, Request(method="GET", path=request.path))
        for body in found["items"]:
            metadata = body["metadata"]
            try:
                self._api.deleter.delete(resource, metadata.get("namespace", ""), metadata["name"], options)
            except StatusError as error:
                if error.code != 404:  # it is gone already, which is what was wanted
                    raise
        return json_reply(rendered(resource, found, Wanted(), request.query))

    def _write(self, call: Call, *, patch: PatchType | None = None) -> Write:
        request, query = call.request, call.request.query
        if query.get("dryRun", "") not in {"", "All"}:
            cause = Cause(
                reason="FieldValueNotSupported",
                field="dryRun",
                message=f'Unsupported value: ["{query["dryRun"]}"]: supported values: "All"',
            )
            raise invalid("meta.k8s.io", "PatchOptions" if patch else "CreateOptions", "", [cause])
        strictness = query.get("fieldValidation") or "Warn"
        if strictness not in {one.value for one in Strictness}:
            cause = Cause(
                reason="FieldValueNotSupported",
                field="fieldValidation",
                message=f'Unsupported value: "{strictness}": supported values: "", "Ignore", "Strict", "Warn"',
            )
            raise invalid("meta.k8s.io", "PatchOptions" if patch else "CreateOptions", "", [cause])
        if "force" in query and patch is not None and patch is not PatchType.APPLY:
            cause = Cause(
                reason="FieldValueForbidden",
                field="force",
                message="Forbidden: may not be specified for non-apply patch",
            )
            raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
        agent = request.headers.get("user-agent", "").partition("/")[0]
        manager = query.get("fieldManager") or ("" if patch is PatchType.APPLY else agent)
        return Write(
            manager=manager,
            user=call.user,
            dry_run=query.get("dryRun") == "All",
            strictness=Strictness(strictness),
            force=request.flag("force"),
        )


def _written(resource: Resource, written: Written, form: Wanted, query: Mapping[str, str]) -> Reply:
    body = rendered(resource, written.body, form, query)
    return json_reply(body, status=201 if written.created else 200, warnings=written.warnings)


def _body(request: Request) -> Body:
    body = request.document()
    if not isinstance(body, Mapping):
        raise bad_request("the request body is not an object")
    return body


def _deleted(resource: Resource, deleted: Deleted) -> Reply:
    """Say what was deleted: a Status once it is gone, the object while it stays."""
    if not deleted.gone or resource.key in _RETURNED:
        return json_reply(deleted.body, warnings=deleted.warnings)
    metadata = deleted.body["metadata"]
    details: dict[str, Any] = {"name": metadata["name"]}
    if resource.group:
        details["group"] = resource.group
    details |= {"kind": resource.plural, "uid": metadata["uid"]}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return json_reply(status, warnings=deleted.warnings)


# Kinds whose DELETE answers with the object itself even when it is gone.
_RETURNED: Final = frozenset(
    {
        "pods",
        "services",
        "serviceaccounts",
        "persistentvolumes",
        "persistentvolumeclaims",
        "podtemplates",
        "resourcequotas",
    }
)
