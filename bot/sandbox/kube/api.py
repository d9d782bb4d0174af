"""The cluster itself, without HTTP: storage, rules, and what the API server does on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bot.sandbox.kube import recorded
from bot.sandbox.kube.admission import Admission
from bot.sandbox.kube.authorization import known
from bot.sandbox.kube.deletes import Delete, Deleter
from bot.sandbox.kube.dynamic import DynamicAdmission
from bot.sandbox.kube.errors import path_not_found
from bot.sandbox.kube.forms import Forms
from bot.sandbox.kube.json_patch import merge_patch
from bot.sandbox.kube.kinds import CRDS, KindTable, Resource, builtin_table
from bot.sandbox.kube.objects import stamp
from bot.sandbox.kube.orders import PatchType, Target, Write
from bot.sandbox.kube.ports import Body, Propagation, Subscription
from bot.sandbox.kube.store import Store
from bot.sandbox.kube.writes import Writer

_CHANGE: Final = Write(manager="kube-apiserver")


class Api:
    """A `bot.sandbox.kube.ports.Cluster`, and what the HTTP door needs beside it."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC)) -> None:
        self.now = clock
        self.store = Store()
        self.forms = Forms()
        self.admission = Admission(self.store)
        dynamic = DynamicAdmission(self.store, lambda: self.kinds)
        self.writer = Writer(self.store, self.forms, self.admission, dynamic, clock)
        self.deleter = Deleter(self.store, self.admission, dynamic, clock)
        documents = recorded.discovery()
        self.kinds: KindTable = builtin_table(documents["api"], documents["apis"])

    # --- bot.sandbox.kube.ports.Cluster -----------------------------------------------------------------------

    def get(self, resource: str, namespace: str, name: str) -> Body | None:
        return self.store.get(resource, namespace, name)

    def list(self, resource: str, namespace: str = "") -> Sequence[Body]:
        return self.store.list(resource, namespace).objects

    def create(self, resource: str, body: Body, *, manager: str) -> Body:
        namespace = body["metadata"].get("namespace", "")
        return self.writer.create(self.resource(resource), namespace, body, _by(manager)).body

    def update(self, resource: str, body: Body, *, manager: str, subresource: str = "") -> Body:
        metadata = body["metadata"]
        target = self._target(resource, metadata.get("namespace", ""), metadata["name"], subresource)
        if subresource == "binding":
            return self.bind(target, body["spec"]["nodeName"])
        return self.writer.update(target, body, _by(manager)).body

    def patch(
        self, resource: str, namespace: str, name: str, patch: Body, *, manager: str, subresource: str = ""
    ) -> Body:
        target = self._target(resource, namespace, name, subresource)
        return self.writer.patch(target, PatchType.MERGE, patch, _by(manager)).body

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> None:
        asked = Delete(uid=uid, grace_seconds=grace_seconds, propagation=propagation)
        self.deleter.delete(self.resource(resource), namespace, name, asked)

    def watch(self, *resources: str) -> Subscription:
        return self.store.follow(resources)

    # --- inside the server ------------------------------------------------------------------------------------

    def resource(self, key: str) -> Resource:
        """Return a resource by the name the store knows, in its stored version. Raises `StatusError` 404."""
        found = self.kinds.stored(key)
        if found is None:
            raise path_not_found()
        return found

    def change(self, resource: str, body: Body, patch: Mapping[str, Any]) -> Body:
        """Merge a patch into an object as the server itself does, past admission; the rules of updates hold."""
        metadata = body["metadata"]
        target = self._target(resource, metadata.get("namespace", ""), metadata["name"], "")
        return self.writer.change(target, lambda live: dict(merge_patch(live, patch)), _CHANGE)

    def bind(self, target: Target, node: str) -> Body:
        """Assign a Pod to a node; nobody owns the fields this writes. Raises `StatusError` 409 when it has one."""

        def assign(live: Body) -> dict[str, Any]:
            there = live["spec"].get("nodeName")
            if there:
                raise target.conflict(f'pod {target.name} is already assigned to node "{there}"')
            status = live.get("status") or {}
            conditions = [one for one in status.get("conditions") or () if one["type"] != "PodScheduled"]
            scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(self.now())}
            status = {**status, "conditions": [*conditions, scheduled]}
            return {**live, "spec": {**live["spec"], "nodeName": node}, "status": status}

        return self.writer.change(target, assign, _CHANGE)

    def serve_definitions(self) -> None:
        """Serve what the established CustomResourceDefinitions define."""
        self.kinds = self.kinds.with_custom(one for one in self.list(CRDS) if established(one))

    def _target(self, resource: str, namespace: str, name: str, subresource: str) -> Target:
        return Target(resource=self.resource(resource), namespace=namespace, name=name, subresource=subresource)


def _by(manager: str) -> Write:
    """Return a write of a component of the cluster, which policies are asked about like those of people."""
    return Write(manager=manager, user=known(f"system:{manager}"))


def established(definition: Body) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
