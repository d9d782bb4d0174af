"""What a controller wants done: writes as values, in order, and when to be asked again.

Nothing here acts; the runner executes a decision against a `Cluster` and asks again when something changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.sandbox.kube.ports import Body, Propagation

# The names under which the real components write, as managedFields and events show them.
CONTROLLER_MANAGER: Final = "kube-controller-manager"
SCHEDULER: Final = "kube-scheduler"
KUBELET: Final = "kubelet"
CLOUD_CONTROLLER: Final = "cloud-controller-manager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """A new object; it existing already is no error."""

    resource: str
    body: Body
    manager: str = CONTROLLER_MANAGER


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The whole object as it should be. It carries the resourceVersion it was decided on: a newer one wins."""

    resource: str
    body: Body
    manager: str = CONTROLLER_MANAGER
    subresource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """Only these fields of an object, as a JSON merge patch: for writes that nobody else's change may stop."""

    resource: str
    namespace: str
    name: str
    patch: Body
    manager: str = CONTROLLER_MANAGER
    subresource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """An object that should go, this very one (`uid`); `grace_seconds=0` ends a Pod's graceful deletion."""

    resource: str
    namespace: str
    name: str
    uid: str
    grace_seconds: int | None = None
    propagation: Propagation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """An Event about an object; the same words again only raise its count."""

    about: Body
    reason: str
    message: str
    component: str
    warning: bool = False
    field_path: str = ""


Write = Create | Update | Patch | Delete | Tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Writes to execute now, and after how long to ask again although nothing changed."""

    writes: tuple[Write, ...] = ()
    again_in: timedelta | None = None


NOTHING: Final = Decision()
