"""What a cluster does on its own whatever runs in it: garbage, namespaces that end, definitions that become served.

One thread follows all changes. Each step looks at the present state and does what is missing, so that a step done
twice, or overtaken by somebody else's write, does no harm.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.kube.api import Api
from bot.sandbox.kube.deletes import CLEANUP, FOREGROUND, ORPHAN
from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.kinds import CRDS
from bot.sandbox.kube.objects import finalizers, leaving, owners, stamp
from bot.sandbox.kube.ports import Body, EventType, Propagation
from bot.sandbox.kube.store import Change, Stale, key_of

log = logging.getLogger(__name__)

Reference = tuple[str, str, str]  # resource, namespace, name


class Housekeeper:
    """Start it with the server. `stop` waits for the step under way."""

    def __init__(self, api: Api) -> None:
        self._api, self._store = api, api.store
        self._changes = api.store.follow()
        self._thread = threading.Thread(target=self._run, name="sandbox-kube-housekeeping", daemon=True)
        self._stopping = False
        self._uids: dict[str, Reference] = {}
        self._dependents: defaultdict[str, set[Reference]] = defaultdict(set)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._changes.close()
        self._thread.join()

    def tidy(self, timeout_seconds: float | None = 0) -> bool:
        """Wait for changes, at most so long, and do what they ask for; return whether there were any.

        Without `start` this is all that happens, in the thread that calls it.
        """
        changes = self._changes.take(timeout_seconds)
        for change in changes:
            try:
                self._look(change)
            except (StatusError, Stale) as error:
                # Overtaken or refused: whoever changed the object caused another change, which comes here too.
                log.debug("housekeeping of %s: %s", change.resource, error)
        return bool(changes)

    def _run(self) -> None:
        while not self._stopping:
            self.tidy(None)

    def _look(self, change: Change) -> None:
        body, reference = change.object, (change.resource, *key_of(change.object))
        uid = body["metadata"]["uid"]
        if change.type is EventType.DELETED:
            self._uids.pop(uid, None)
            for owner in owners(body):
                self._dependents[owner["uid"]].discard(reference)
            self._gone(change, uid)
            return
        self._uids[uid] = reference
        for owner in owners(body):
            self._dependents[owner["uid"]].add(reference)
        current = self._store.get(*reference)
        if current is None or current["metadata"]["uid"] != uid:
            return
        if change.resource == CRDS:
            self._define(current)
        if leaving(current):
            self._leave(current, reference)
        elif self._abandoned(current):
            self._api.delete(*reference, uid=uid, propagation=Propagation.BACKGROUND)

    # --- garbage ----------------------------------------------------------------------------------------------

    def _abandoned(self, body: Body) -> bool:
        """Whether the object names owners and none of them exists. One that names none belongs to nobody."""
        named = tuple(owners(body))
        return bool(named) and not any(self._owner_exists(one, body) for one in named)

    def _owner_exists(self, owner: Mapping[str, Any], body: Body) -> bool:
        if owner["uid"] in self._uids:
            return True
        # An owner of this very moment: its ADDED has not come here yet, but it is stored.
        resource = self._api.kinds.of_kind(owner["apiVersion"], owner["kind"])
        if resource is None:
            return True  # the kind may be served again: nothing is deleted on a guess
        namespace = body["metadata"].get("namespace", "") if resource.namespaced else ""
        there = self._store.get(resource.key, namespace, owner["name"])
        return there is not None and there["metadata"]["uid"] == owner["uid"]

    def _gone(self, change: Change, uid: str) -> None:
        for reference in self._living(uid):
            body = self._store.get(*reference)
            if body is not None and self._abandoned(body):
                self._api.delete(*reference, uid=body["metadata"]["uid"], propagation=Propagation.BACKGROUND)
        self._dependents.pop(uid, None)
        for owner in owners(change.object):
            self._again(self._uids.get(owner["uid"]))
        namespace = change.object["metadata"].get("namespace")
        if namespace:
            self._again(("namespaces", "", namespace))
        if change.resource == CRDS:
            self._api.serve_definitions()
        else:
            plural, _, group = change.resource.partition(".")
            self._again((CRDS, "", f"{plural}.{group}"))

    def _again(self, reference: Reference | None) -> None:
        """Look again at an object that waits for others to go."""
        body = self._store.get(*reference) if reference is not None else None
        if reference is not None and body is not None and leaving(body):
            self._leave(body, reference)

    def _living(self, uid: str) -> Sequence[Reference]:
        return [one for one in self._dependents.get(uid, ()) if self._store.get(*one) is not None]

    def _leave(self, body: Body, reference: Reference) -> None:
        """Go on with an object that is about to be deleted."""
        uid, waiting = body["metadata"]["uid"], finalizers(body)
        if ORPHAN in waiting:
            for one in self._living(uid):
                self._release(one, uid)
            self._drop_finalizer(reference, body, ORPHAN)
        elif FOREGROUND in waiting:
            for one in self._living(uid):
                dependent = self._store.get(*one)
                if dependent is not None and not leaving(dependent):
                    self._api.delete(*one, uid=dependent["metadata"]["uid"], propagation=Propagation.FOREGROUND)
            if not [one for one in self._living(uid) if self._blocks(one, uid)]:
                self._drop_finalizer(reference, body, FOREGROUND)
        elif reference[0] == "namespaces":
            self._empty(body)
        elif reference[0] == CRDS and CLEANUP in waiting:
            self._clean(body)

    def _blocks(self, reference: Reference, uid: str) -> bool:
        dependent = self._store.get(*reference)
        return dependent is not None and any(
            one["uid"] == uid and one.get("blockOwnerDeletion") for one in owners(dependent)
        )

    def _release(self, reference: Reference, uid: str) -> None:
        dependent = self._store.get(*reference)
        if dependent is not None:
            kept = [dict(one) for one in owners(dependent) if one["uid"] != uid]
            self._api.change(reference[0], dependent, {"metadata": {"ownerReferences": kept or None}})

    def _drop_finalizer(self, reference: Reference, body: Body, name: str) -> None:
        kept = [one for one in finalizers(body) if one != name]
        self._api.change(reference[0], body, {"metadata": {"finalizers": kept or None}})

    # --- namespaces -------------------------------------------------------------------------------------------

    def _empty(self, namespace: Body) -> None:
        """Delete what is in a namespace; take the namespace away when nothing is left."""
        name = namespace["metadata"]["name"]
        left = 0
        for resource in self._store.resources():
            kind = self._api.kinds.stored(resource)
            if kind is None or not kind.namespaced:
                continue
            for body in self._store.list(resource, name).objects:
                if not leaving(body):
                    self._api.delete(resource, name, body["metadata"]["name"], propagation=Propagation.BACKGROUND)
                left += self._store.get(resource, name, body["metadata"]["name"]) is not None
        current = self._store.get("namespaces", "", name)
        if left or current is None:
            return
        if finalizers(current):
            return
        self._store.remove("namespaces", current, {**current, "spec": {}})

    # --- definitions ------------------------------------------------------------------------------------------

    def _define(self, definition: Body) -> None:
        """Accept the names of a definition and serve it."""
        if leaving(definition):
            return
        status = definition.get("status") or {}
        wanted = self._status(definition)
        if wanted != {name: status.get(name) for name in wanted}:
            self._store.replace(CRDS, definition, {**definition, "status": {**status, **wanted}})
        self._api.serve_definitions()

    def _status(self, definition: Body) -> Mapping[str, Any]:
        spec, known = definition["spec"], (definition.get("status") or {}).get("conditions") or ()
        stored = list((definition.get("status") or {}).get("storedVersions") or ())
        stored += [one["name"] for one in spec["versions"] if one.get("storage") and one["name"] not in stored]
        others = [one for one in self._api.list(CRDS) if one["metadata"]["name"] != definition["metadata"]["name"]]
        taken = next(
            (
                one["spec"]["names"]["kind"]
                for one in others
                if one["spec"]["group"] == spec["group"] and one["spec"]["names"]["kind"] == spec["names"]["kind"]
            ),
            None,
        )
        if taken is None:
            accepted = {
                "type": "NamesAccepted",
                "status": "True",
                "reason": "NoConflicts",
                "message": "no conflicts found",
            }
            served = {
                "type": "Established",
                "status": "True",
                "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted",
            }
        else:
            message = f'"{taken}" is already in use'
            accepted = {"type": "NamesAccepted", "status": "False", "reason": "KindConflict", "message": message}
            served = {
                "type": "Established",
                "status": "False",
                "reason": "NotAccepted",
                "message": "not all names are accepted",
            }
        conditions = [self._since(one, known) for one in (accepted, served)]
        names = spec["names"] if taken is None else {"plural": "", "kind": ""}
        return {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}

    def _since(self, condition: dict[str, Any], known: Any) -> dict[str, Any]:
        before = next((one for one in known if one["type"] == condition["type"]), None)
        unchanged = before is not None and before["status"] == condition["status"]
        time = before["lastTransitionTime"] if before is not None and unchanged else stamp(self._api.now())
        return {**condition, "lastTransitionTime": time}

    def _clean(self, definition: Body) -> None:
        """Delete the objects of a definition that leaves, then let it go."""
        resource = f"{definition['spec']['names']['plural']}.{definition['spec']['group']}"
        for body in self._store.list(resource).objects:
            if not leaving(body):
                metadata = body["metadata"]
                self._api.delete(resource, metadata.get("namespace", ""), metadata["name"])
        if not self._store.list(resource).objects:
            self._drop_finalizer((CRDS, "", definition["metadata"]["name"]), definition, CLEANUP)
