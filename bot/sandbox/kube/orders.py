"""How a write is ordered: about what, by whom, and with which strictness; and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bot.sandbox.kube.authorization import User
from bot.sandbox.kube.errors import StatusError, conflict, not_found
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body


class Strictness(Enum):
    """What becomes of fields that the schema does not have, `fieldValidation` in the API."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


class PatchType(Enum):
    """The media type of a PATCH."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"

    @classmethod
    def of(cls, content_type: str) -> PatchType:
        """Read a Content-Type. Raises `StatusError` 415."""
        try:
            return cls(content_type.partition(";")[0].strip())
        except ValueError:
            raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", told=True) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """How a write was asked for; the server itself, which no policy is asked about, has no `user`."""

    manager: str
    user: User | None = None
    dry_run: bool = False
    strictness: Strictness = Strictness.WARN
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The object after a write, in the version of the request."""

    body: Body
    created: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a write is about."""

    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    def missing(self) -> StatusError:
        return not_found(self.resource.group, self.resource.plural, self.name)

    def conflict(self, why: str) -> StatusError:
        return conflict(self.resource.group, self.resource.plural, self.name, why)
