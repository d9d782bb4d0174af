"""The one exception of the sandbox API server, and the Status objects of the real one, worded and coded alike.

Source: k8s.io/apimachinery/pkg/api/errors, meta/v1 Status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One field that is wrong: `reason` as FieldValueInvalid, `field` as spec.ports[0].name."""

    reason: str
    message: str
    field: str = ""


class StatusError(Exception):
    """A request that is refused; `body()` is the Status the client gets."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        uid: str = "",
        causes: Sequence[Cause] = (),
        retry_after_seconds: int = 0,
        told: bool = False,
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.group, self.kind, self.name, self.uid = group, kind, name, uid
        self.causes = tuple(causes)
        self.retry_after_seconds = retry_after_seconds
        self._told = told  # details are written even when they are empty

    def body(self) -> Mapping[str, Any]:
        details: dict[str, Any] = {}
        if self.name:
            details["name"] = self.name
        if self.group:
            details["group"] = self.group
        if self.kind:
            details["kind"] = self.kind
        if self.uid:
            details["uid"] = self.uid
        if self.causes:
            details["causes"] = [
                {
                    **({"reason": one.reason} if one.reason else {}),
                    "message": one.message,
                    **({"field": one.field} if one.field else {}),
                }
                for one in self.causes
            ]
        if self.retry_after_seconds:
            details["retryAfterSeconds"] = self.retry_after_seconds
        status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status["message"] = self.message
        if self.reason:
            status["reason"] = self.reason
        if details or self._told:
            status["details"] = details
        status["code"] = self.code
        return status


def qualified(resource: str, group: str) -> str:
    """Return `deployments.apps`, the way messages name a resource."""
    return f"{resource}.{group}" if group else resource


def not_found(group: str, resource: str, name: str) -> StatusError:
    message = f'{qualified(resource, group)} "{name}" not found'
    return StatusError(404, "NotFound", message, group=group, kind=resource, name=name)


def already_exists(group: str, resource: str, name: str) -> StatusError:
    message = f'{qualified(resource, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, group=group, kind=resource, name=name)


def conflict(group: str, resource: str, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return StatusError(409, "Conflict", message, group=group, kind=resource, name=name)


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> StatusError:
    """Return the 422 of an object with wrong fields, all of them named."""
    told = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    message = f'{qualified(kind, group)} "{name}" is invalid: {text}' if told else f'{kind} "{name}" is invalid'
    return StatusError(422, "Invalid", message, group=group, kind=kind, name=name, causes=causes)


def forbidden(group: str, resource: str, name: str, why: str) -> StatusError:
    shown = (
        f'{qualified(resource, group)} "{name}" is forbidden' if name else f"{qualified(resource, group)} is forbidden"
    )
    return StatusError(403, "Forbidden", f"{shown}: {why}", group=group, kind=resource, name=name)


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def method_not_allowed(message: str = "the server does not allow this method on the requested resource") -> StatusError:
    return StatusError(405, "MethodNotAllowed", message)


def unsupported_media(message: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message)


def gone(message: str) -> StatusError:
    """Return the 410 that makes a client list again."""
    return StatusError(410, "Expired", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def too_many_requests(message: str, seconds: int) -> StatusError:
    return StatusError(429, "TooManyRequests", message, retry_after_seconds=seconds)


def path_not_found() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource")
