"""The HTTP face of the cluster: a request in, a reply or a stream out. Authenticate, authorise, route, answer.

Knows no socket. Every `StatusError` becomes the Status a client expects.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from bot.sandbox.kube import documents, recorded
from bot.sandbox.kube.api import Api
from bot.sandbox.kube.authorization import ANONYMOUS, Attributes, Authorizer, User
from bot.sandbox.kube.conversion import convert
from bot.sandbox.kube.deletes import Deleted, delete_of
from bot.sandbox.kube.errors import (
    Cause,
    StatusError,
    bad_request,
    invalid,
    method_not_allowed,
    not_found,
    path_not_found,
    unauthorized,
)
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body, Logs
from bot.sandbox.kube.reading import FORMS, collection, rendered, selection
from bot.sandbox.kube.requests import (
    Asked,
    Reply,
    Request,
    Stream,
    Wanted,
    asked,
    error_reply,
    json_reply,
    wanted,
)
from bot.sandbox.kube.reviews import Reviews
from bot.sandbox.kube.subresources import Subresources
from bot.sandbox.kube.watching import watch
from bot.sandbox.kube.writes import PatchType, Strictness, Target, Write, Written

_VERBS: Final = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OUTDATED: Final = {
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
}
_HEALTH: Final = frozenset({"/healthz", "/livez", "/readyz"})


class Door:
    """One server's door. Thread-safe. `tokens` say who is who; `logs` is what `kubectl logs` reads."""

    def __init__(self, api: Api, *, tokens: Mapping[str, User], logs: Logs | None = None) -> None:
        self._api = api
        self._tokens = dict(tokens)
        self.authorizer = Authorizer(api.store)
        self._subresources = Subresources(api, logs=logs, tokens=self._tokens)
        self._reviews = Reviews(api, self.authorizer, self._tokens)

    def answer(self, request: Request) -> Reply | Stream:
        """Answer one request; never raises `StatusError`."""
        try:
            user = self._impersonated(self._user(request), request)
            wants = asked(request.path)
            if wants is None:
                return self._server(request, user)
            reply = self._resource(request, wants, user)
            outdated = _OUTDATED.get((wants.group, wants.version, wants.plural))
            if outdated and isinstance(reply, Reply):
                return replace(reply, warnings=(*reply.warnings, outdated))
            return reply
        except StatusError as error:
            return error_reply(error)

    # --- who --------------------------------------------------------------------------------------------------

    def _user(self, request: Request) -> User:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":  # kubectl sends no token over plain HTTP, but it does send a URL's password
            try:
                token = base64.b64decode(token).decode().partition(":")[2]
            except ValueError:
                raise unauthorized() from None
        elif scheme.lower() != "bearer":
            return ANONYMOUS
        user = self._tokens.get(token.strip())
        if user is None:
            raise unauthorized()
        return user

    def _impersonated(self, user: User, request: Request) -> User:
        name = request.headers.get("impersonate-user")
        if not name:
            return user
        resource, namespace = "users", ""
        if name.startswith("system:serviceaccount:") and name.count(":") == 3:
            _, _, namespace, account = name.split(":")
            resource, shown = "serviceaccounts", account
        else:
            shown = name
        self.authorizer.require(
            user, Attributes(verb="impersonate", resource=resource, namespace=namespace, name=shown)
        )
        for group in request.groups:
            self.authorizer.require(user, Attributes(verb="impersonate", resource="groups", name=group))
        groups = list(request.groups)
        if resource == "serviceaccounts" and not groups:
            groups += ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
        return User(name=name, groups=(*groups, "system:authenticated"))

    # --- the server itself ------------------------------------------------------------------------------------

    def _server(self, request: Request, user: User) -> Reply:
        path = request.path.rstrip("/") or "/"
        self.authorizer.require(user, Attributes(verb=_VERBS.get(request.method, ""), path=request.path))
        if request.method not in {"GET", "HEAD"}:
            raise method_not_allowed()
        accept = request.headers.get("accept", "")
        if path in _HEALTH:
            return Reply(body=b"ok", kind="text/plain; charset=utf-8")
        if path == "/version":
            return json_reply(recorded.discovery()["version"])
        if path in {"/api", "/apis"} and "as=APIGroupDiscoveryList" in accept.partition(",")[0]:
            kind = f"{documents.AGGREGATED}"
            return Reply(body=json_reply(documents.aggregated(self._api.kinds, path)).body, kind=kind)
        if path.startswith("/openapi/"):
            if path == "/openapi/v2" and "protobuf" in accept:
                return Reply(body=documents.NO_DEFINITIONS, kind=documents.PROTOBUF)
            if "json" not in accept and "*/*" not in accept and accept:
                return Reply(status=406, body=b"Not Acceptable", kind="text/plain")
            text = documents.openapi(self._api.kinds, path)
            if text is None:
                raise path_not_found()
            return Reply(body=text)
        found = documents.discovery(self._api.kinds, path)
        if found is not None:
            return json_reply(found)
        if path == "/":
            return json_reply({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
        raise path_not_found()

    # --- resources --------------------------------------------------------------------------------------------

    def _resource(self, request: Request, wants: Asked, user: User) -> Reply | Stream:
        self.authorizer.require(
            user,
            Attributes(
                verb=self._verb(request, wants),
                group=wants.group,
                resource=wants.plural,
                subresource=wants.subresource,
                namespace=wants.namespace,
                name=wants.name,
            ),
        )
        resource = self._api.kinds.find(wants.group, wants.version, wants.plural)
        if resource is None and not self._api.kinds.builtin(wants.group, wants.version):
            return Reply(status=404, body=b"404 page not found\n", kind="text/plain; charset=utf-8")
        if resource is None or (wants.namespace and not resource.namespaced and wants.plural != "namespaces"):
            raise path_not_found()
        if not resource.namespaced:
            wants = Asked(
                group=wants.group,
                version=wants.version,
                plural=wants.plural,
                name=wants.name,
                subresource=wants.subresource,
            )
        if wants.subresource:
            return self._subresource(request, wants, resource)
        if self._reviews.reviews(resource):
            return self._reviews.answer(resource, request, wants.namespace, user)
        act = self._object if wants.name else self._collection
        return act(request, wants, resource)

    def _verb(self, request: Request, wants: Asked) -> str:
        verb = _VERBS.get(request.method, "")
        if wants.name:
            return "watch" if verb == "get" and request.flag("watch") else verb
        return {"get": "watch" if request.flag("watch") else "list", "delete": "deletecollection"}.get(verb, verb)

    def _collection(self, request: Request, wants: Asked, resource: Resource) -> Reply | Stream:
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
                write = self._write(request)
                written = self._api.writer.create(resource, wants.namespace, _body(request), write)
                return self._written(resource, written, form, request.query)
            case "DELETE":
                return self._delete_all(request, wants, resource)
            case _:
                raise method_not_allowed()

    def _object(self, request: Request, wants: Asked, resource: Resource) -> Reply | Stream:
        form = wanted(request.headers.get("accept", ""), FORMS)
        target = Target(resource=resource, namespace=wants.namespace, name=wants.name)
        match request.method:
            case "GET" | "HEAD":
                if request.flag("watch"):
                    chosen = selection(resource, wants.namespace, request.query, name=wants.name)
                    return watch(self._api.store, resource, chosen, request, form)
                there = self._api.store.get(resource.key, wants.namespace, wants.name)
                if there is None:
                    raise not_found(resource.group, resource.plural, wants.name)
                return json_reply(rendered(resource, convert(there, resource, resource.version), form, request.query))
            case "PUT":
                written = self._api.writer.update(target, _body(request), self._write(request))
                return self._written(resource, written, form, request.query)
            case "PATCH":
                return self._patch(request, target, form)
            case "DELETE":
                options = _body(request) if request.body else {}
                asked_for = delete_of(options, request.query)
                return _deleted(resource, self._api.deleter.delete(resource, wants.namespace, wants.name, asked_for))
            case _:
                raise method_not_allowed()

    def _subresource(self, request: Request, wants: Asked, resource: Resource) -> Reply | Stream:
        target = Target(resource=resource, namespace=wants.namespace, name=wants.name, subresource=wants.subresource)
        if wants.subresource not in resource.subresources:
            raise path_not_found()
        if self._subresources.special(target):
            return self._subresources.answer(target, request, self._write(request))
        form = wanted(request.headers.get("accept", ""), FORMS)
        match request.method:
            case "GET" | "HEAD":
                there = self._api.store.get(resource.key, wants.namespace, wants.name)
                if there is None:
                    raise target.missing()
                return json_reply(rendered(resource, convert(there, resource, resource.version), form, request.query))
            case "PUT":
                written = self._api.writer.update(target, _body(request), self._write(request))
                return self._written(resource, written, form, request.query)
            case "PATCH":
                return self._patch(request, target, form)
            case _:
                raise method_not_allowed()

    def _patch(self, request: Request, target: Target, form: Wanted) -> Reply:
        kind = patch_type(request)
        write = self._write(request, patch=kind)
        written = self._api.writer.patch(target, kind, request.document(), write)
        return self._written(target.resource, written, form, request.query)

    def _delete_all(self, request: Request, wants: Asked, resource: Resource) -> Reply:
        if resource.namespaced and not wants.namespace:
            raise method_not_allowed()
        chosen = selection(resource, wants.namespace, request.query)
        options = delete_of(_body(request) if request.body else {}, request.query)
        found = collection(self._api.store, resource, chosen, Request(method="GET", path=request.path))
        for body in found["items"]:
            metadata = body["metadata"]
            try:
                self._api.deleter.delete(resource, metadata.get("namespace", ""), metadata["name"], options)
            except StatusError as error:
                if error.code != 404:  # it is gone already, which is what was wanted
                    raise
        return json_reply(rendered(resource, found, Wanted(), request.query))

    def _write(self, request: Request, *, patch: PatchType | None = None) -> Write:
        query = request.query
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
            dry_run=query.get("dryRun") == "All",
            strictness=Strictness(strictness),
            force=request.flag("force"),
        )

    def _written(self, resource: Resource, written: Written, form: Wanted, query: Mapping[str, str]) -> Reply:
        body = rendered(resource, written.body, form, query)
        return json_reply(body, status=201 if written.created else 200, warnings=written.warnings)


def patch_type(request: Request) -> PatchType:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    try:
        return PatchType(kind)
    except ValueError:
        raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", told=True) from None


def _body(request: Request) -> Body:
    body = request.document()
    if not isinstance(body, Mapping):
        raise bad_request("the request body is not an object")
    return body


def _deleted(resource: Resource, deleted: Deleted) -> Reply:
    """Say what was deleted: a Status once it is gone, the object while it stays."""
    if not deleted.gone or resource.key in _RETURNED:
        return json_reply(deleted.body)
    metadata = deleted.body["metadata"]
    details: dict[str, Any] = {"name": metadata["name"]}
    if resource.group:
        details["group"] = resource.group
    details |= {"kind": resource.plural, "uid": metadata["uid"]}
    return json_reply({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})


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
