"""Questions about rights and people, asked by POST and never stored: access reviews and token reviews."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.sandbox.kube.api import Api
from bot.sandbox.kube.authorization import Attributes, Authorizer, User
from bot.sandbox.kube.errors import bad_request, method_not_allowed
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.requests import Reply, Request, json_reply

_GROUPS: Final = frozenset({"authorization.k8s.io", "authentication.k8s.io"})


class Reviews:
    """Thread-safe."""

    def __init__(self, api: Api, authorizer: Authorizer, tokens: Mapping[str, User]) -> None:
        self._api, self._authorizer, self._tokens = api, authorizer, tokens

    def reviews(self, resource: Resource) -> bool:
        return resource.group in _GROUPS

    def answer(self, resource: Resource, request: Request, namespace: str, user: User) -> Reply:
        """Answer a review. Raises `StatusError`."""
        if request.method != "POST":
            raise method_not_allowed()
        body = request.document()
        if not isinstance(body, Mapping):
            raise bad_request("the request body is not an object")
        spec = body.get("spec") or {}
        match resource.plural:
            case "selfsubjectaccessreviews":
                status = self._access(spec, user)
            case "subjectaccessreviews" | "localsubjectaccessreviews":
                other = User(name=spec.get("user", ""), groups=tuple(spec.get("groups") or ()))
                status = self._access(spec, other)
            case "selfsubjectrulesreviews":
                status = self._rules(spec.get("namespace", ""), user)
            case "selfsubjectreviews":
                status = {"userInfo": _info(user)}
            case _:
                found = self._tokens.get(spec.get("token", ""))
                status = {"user": {}, "error": "[invalid bearer token]"}
                if found is not None:
                    status = {
                        "authenticated": True,
                        "user": _info(found),
                        "audiences": ["https://kubernetes.default.svc"],
                    }
        shown = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {}, "spec": spec}
        return json_reply({**shown, "status": status}, status=201)

    def _access(self, spec: Mapping[str, Any], user: User) -> dict[str, Any]:
        asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if asked is not None:
            wanted = Attributes(
                verb=asked.get("verb", ""),
                group=asked.get("group", ""),
                resource=asked.get("resource", ""),
                subresource=asked.get("subresource", ""),
                namespace=asked.get("namespace", ""),
                name=asked.get("name", ""),
            )
        else:
            wanted = Attributes(verb=(path or {}).get("verb", ""), path=(path or {}).get("path", ""))
        return {"allowed": True} if self._authorizer.allows(user, wanted) else {"allowed": False}

    def _rules(self, namespace: str, user: User) -> dict[str, Any]:
        rules = list(self._authorizer.rules(user, namespace))
        return {
            "resourceRules": [
                {name: rule[name] for name in ("verbs", "apiGroups", "resources", "resourceNames") if rule.get(name)}
                for rule in rules
                if rule.get("resources")
            ],
            "nonResourceRules": [
                {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
                for rule in rules
                if rule.get("nonResourceURLs")
            ],
            "incomplete": False,
        }


def _info(user: User) -> dict[str, Any]:
    return {"username": user.name, **({"uid": user.uid} if user.uid else {}), "groups": list(user.groups)}
