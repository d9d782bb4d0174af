"""The parent ConfigMaps of the apps, read and written: inventory, and the mirror of what people ordered.

All parents of a cluster are in one namespace, so that one LIST reads them and one watch keeps them current. What was
read is kept as a value for as long as the resource version on the server is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.errors import ClusterError, ClusterRefused, ClusterUnreachable
from bot.live import inventory
from bot.live.cache import LiveCache
from bot.live.feeds import number
from bot.live.ownership import owner_of
from bot.live.spec import ClusterSpec
from bot.live.transport import Reply, Transport
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.plan import Owner
from bot.model.record import Inventory
from bot.model.resource import Body, KindInfo, ResourceId

_CONFIG_MAP: Final = KindInfo(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """A parent as last read; version 0 is one that does not exist."""

    version: int
    inventory: Inventory
    control: Control


class Parents:
    """Safe to use from several threads; one writer per app, as everywhere."""

    def __init__(self, transport: Transport, cache: LiveCache, spec: ClusterSpec, *, instance: str) -> None:
        self._transport, self._cache, self._spec, self._instance = transport, cache, spec, instance
        self._known: dict[str, _Known] = {}  # by app name; written whole

    def id(self, app: AppSpec) -> ResourceId:
        return ResourceId("", "ConfigMap", self._spec.namespace, self.name(app))

    def name(self, app: AppSpec) -> str:
        return marks.parent_name(app.name, self._instance)

    def labels(self, app: AppSpec) -> Mapping[str, str]:
        """Return the marks of the app's objects."""
        return self._labels(app.name)

    def owner(self, app: AppSpec, live: Body) -> Owner | None:
        """Return whose object it is, None when it is the app's or nobody's."""
        former = self._labels(app.moved_from) if app.moved_from else None
        return owner_of(live, labels=self._labels(app.name), former=former)

    def _labels(self, app: str) -> Mapping[str, str]:
        parent = marks.parent_name(app, self._instance)
        return marks.app_labels(app, marks.applyset_id(parent, self._spec.namespace))

    def load_inventory(self, app: AppSpec) -> Inventory:
        return self._read(app).inventory

    def load_control(self, app: AppSpec) -> Control:
        return self._read(app).control

    def _read(self, app: AppSpec) -> _Known:
        id = self.id(app)
        body: Body | None = None
        known = self._known.get(app.name)
        if self._cache.cover(_CONFIG_MAP, {(id.namespace, id.name)}):
            seen = self._cache.seen(_CONFIG_MAP, id)
            version = seen.version if seen is not None else 0
            if known is not None and known.version == version and (version or seen is None):
                return known
            if seen is None:
                return self._keep(app, None)
            body = seen.full
        if body is None:
            reply = self._transport.request("GET", self._path(app))
            if reply.status != 404 and not reply.ok:
                raise self._refused(reply, f"the inventory of {app.name} cannot be read")
            body = reply.body if reply.ok else None
        return self._keep(app, body)

    def _keep(self, app: AppSpec, body: Body | None) -> _Known:
        if body is None:
            known = _Known(0, Inventory(app=app.name, refs=frozenset()), Control())
        else:
            try:
                read = inventory.read(app, body)
            except ValueError as error:
                place = f"ConfigMap {self._spec.namespace}/{self.name(app)}"
                raise ClusterRefused(
                    f"cluster {self._spec.name}: the inventory of {app.name} is damaged: delete {place}, and what Git "
                    "has is listed anew",
                    cluster=self._spec.name,
                ) from error
            known = _Known(number(read.version), read, inventory.read_control(body))
        self._known[app.name] = known
        self._cache.release(_CONFIG_MAP, self.id(app))
        return known

    def save_inventory(self, app: AppSpec, wanted: Inventory) -> Inventory:
        body = inventory.patch(
            app, wanted, instance=self._instance, parent=self.name(app), namespace=self._spec.namespace
        )
        reply = self._write(app, body, exists=bool(wanted.version))
        if reply.status == 409:
            raise ClusterUnreachable(
                f"cluster {self._spec.name}: someone else wrote the inventory of {app.name}; is another bot named "
                f"{self._instance} running?",
                cluster=self._spec.name,
            )
        if not reply.ok:
            raise self._refused(reply, f"the inventory of {app.name} cannot be written")
        return self._keep(app, reply.body).inventory

    def forget(self, app: AppSpec) -> None:
        """Delete the parent. Idempotent."""
        reply = self._transport.request("DELETE", self._path(app))
        if not reply.ok and reply.status != 404:
            raise self._refused(reply, f"the inventory of {app.name} cannot be deleted")
        self._cache.gone(_CONFIG_MAP, self.id(app))
        self._known.pop(app.name, None)

    def save_control(self, app: AppSpec, control: Control) -> None:
        value = inventory.write_control(control)
        known = self._read(app)
        if inventory.write_control(known.control) == value:
            return
        body = {
            "metadata": {
                "labels": {marks.INSTANCE_LABEL: self._instance, marks.APP_LABEL: app.name},
                "annotations": {inventory.CONTROL: value or None},
            }
        }
        written = self._write(app, body, exists=known.version > 0)
        if not written.ok:
            raise self._refused(written, f"the control of {app.name} cannot be mirrored")
        self._keep(app, written.body)

    def _write(self, app: AppSpec, patch: dict[str, Any], *, exists: bool) -> Reply:
        """Write a parent, and remember it where that succeeded."""
        id = self.id(app)
        self._cache.writing(id)
        body: Body | None = None
        try:
            reply = self._sent(app, patch, exists=exists)
            body = reply.body if reply.ok else None
        finally:
            self._cache.written(app.key, _CONFIG_MAP, id, body)
        return reply

    def _sent(self, app: AppSpec, patch: dict[str, Any], *, exists: bool) -> Reply:
        if exists:
            return self._transport.request(
                "PATCH", self._path(app), body=patch, content_type="application/merge-patch+json"
            )
        namespace = self._spec.namespace
        body = {"apiVersion": "v1", "kind": "ConfigMap", **_without_nulls(patch)}
        body["metadata"] = {**body["metadata"], "name": self.name(app), "namespace": namespace}
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        reply = self._transport.request("POST", path, body=body)
        if reply.status == 404:
            self.make_namespace()
            reply = self._transport.request("POST", path, body=body)
        return reply

    def lacks_namespace(self) -> bool:
        """Tell whether the namespace of the parents seems to be missing.

        One that is there has ConfigMaps: of ours, or the `kube-root-ca.crt` that every namespace is given.
        """
        namespace = self._spec.namespace
        return self._cache.cover(_CONFIG_MAP, {(namespace, "")}) and not self._cache.count(_CONFIG_MAP, namespace)

    def make_namespace(self) -> None:
        """Make the namespace of the parents. Idempotent. Raises `ClusterError`."""
        namespace = self._spec.namespace
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        made = self._transport.request("POST", "/api/v1/namespaces", body=body)
        if not made.ok and made.status != 409:
            raise self._refused(made, f"the namespace {namespace} cannot be created")

    def _path(self, app: AppSpec) -> str:
        return f"/api/v1/namespaces/{self._spec.namespace}/configmaps/{self.name(app)}"

    def _refused(self, reply: Reply, what: str) -> ClusterError:
        text = f"cluster {self._spec.name}: {what}: {reply.message}"
        return (ClusterUnreachable if reply.status >= 500 else ClusterRefused)(text, cluster=self._spec.name)


def _without_nulls(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a merge patch as a new object: null means absent."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in patch.items()
        if value is not None
    }
