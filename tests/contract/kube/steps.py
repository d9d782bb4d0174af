"""Generated requests on one object by several writers, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.contract.kube.bodies import Kind
from tests.contract.kube.servers import APPLY, JSON, JSON_PATCH, MERGE, STRATEGIC, Answer, Server, comparable


class Deed(Enum):
    """What is asked of the server."""

    APPLY = "apply"
    CREATE = "create"
    MERGE = "merge patch"
    JSON = "JSON patch"
    STRATEGIC = "strategic merge patch"
    EDIT = "get, change, put"
    REPLACE = "put"
    STATUS = "merge patch of status"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request, without the name of its object."""

    deed: Deed
    body: Any = field(default_factory=dict)
    manager: str = "a"
    force: bool = False
    dry_run: bool = False
    strict: bool = False


_OPERATIONS: Final = st.lists(
    st.sampled_from(
        [
            {"op": "add", "path": "/metadata/labels", "value": {"a": "1"}},
            {"op": "add", "path": "/metadata/labels/b", "value": "2"},
            {"op": "replace", "path": "/metadata/labels/a", "value": "3"},
            {"op": "remove", "path": "/metadata/labels/b"},
            {"op": "remove", "path": "/metadata/labels"},
            {"op": "test", "path": "/metadata/labels/a", "value": "1"},
            {"op": "copy", "from": "/metadata/labels", "path": "/metadata/annotations"},
            {"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/c"},
            {"op": "add", "path": "/spec/nothing/at/all", "value": 1},
            {"op": "remove", "path": "/spec"},
        ]
    ),
    min_size=1,
    max_size=3,
)
_MANAGERS: Final = st.sampled_from(["a", "b", "c"])


def steps(kind: Kind) -> SearchStrategy[list[Step]]:
    """Draw a first step that makes the object and up to eleven that change it."""

    def step(deed: Deed, bodies: SearchStrategy[Any]) -> SearchStrategy[Step]:
        return st.builds(
            Step,
            deed=st.just(deed),
            body=bodies,
            manager=_MANAGERS,
            force=st.booleans() if deed is Deed.APPLY else st.just(False),
            dry_run=st.sampled_from([False, False, False, True]),
            strict=st.sampled_from([False, False, False, True]),
        )

    first = st.one_of(step(Deed.APPLY, kind.whole), step(Deed.CREATE, kind.whole))
    status = [] if kind.status is None else [step(Deed.STATUS, kind.status.map(lambda status: {"status": status}))]
    later = st.one_of(
        step(Deed.APPLY, kind.whole),
        step(Deed.APPLY, kind.part),
        step(Deed.APPLY, kind.whole),
        step(Deed.MERGE, kind.patch),
        step(Deed.STRATEGIC, kind.patch),
        step(Deed.JSON, _OPERATIONS),
        step(Deed.EDIT, kind.patch),
        step(Deed.REPLACE, kind.whole),
        *status,
        step(Deed.DELETE, st.just({})),
    )
    return st.tuples(first, st.lists(later, max_size=11)).map(lambda drawn: [drawn[0], *drawn[1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one server showed of one step: code, body, and whether the stored object has a new version."""

    step: Step
    code: int
    body: Any
    changed: bool


class Player:
    """Sends steps to one server and notes what can be compared."""

    def __init__(self, server: Server, kind: Kind, namespace: str, name: str) -> None:
        self._server, self._kind, self._namespace, self._name = server, kind, namespace, name
        self._path = kind.path(namespace, name)
        self._start = server.send("GET", kind.path(namespace)).version
        self._version = ""
        self._changes = 0

    def play(self, step: Step) -> Seen:
        answer = self._send(step)
        now = self._server.send("GET", self._path)
        changed = now.version != self._version
        self._changes += changed
        self._version = now.version
        return Seen(step=step, code=answer.code, body=comparable(answer.body), changed=changed)

    def events(self) -> list[tuple[str, Any]]:
        """Return what a watch says of all that was played."""
        path = self._kind.path(self._namespace)
        events = self._server.watch(path, self._start, self._changes)
        return [(kind, comparable(body)) for kind, body in events]

    def end(self) -> None:
        """Take the object away, whatever holds it."""
        self._server.send("PATCH", self._path, {"metadata": {"finalizers": None}}, media=MERGE)
        # Orphans are let go by a controller, whose event would come into the next example.
        self._server.send("DELETE", self._path, propagationPolicy="Background")

    def _send(self, step: Step) -> Answer:
        query = {"fieldManager": step.manager, "fieldValidation": "Strict" if step.strict else "Ignore"}
        if step.dry_run:
            query["dryRun"] = "All"
        match step.deed:
            case Deed.APPLY:
                return self._server.send(
                    "PATCH", self._path, self._whole(step), media=APPLY, force=str(step.force).lower(), **query
                )
            case Deed.CREATE:
                path = self._kind.path(self._namespace)
                return self._server.send("POST", path, self._whole(step), media=JSON, **query)
            case Deed.MERGE:
                return self._server.send("PATCH", self._path, step.body, media=MERGE, **query)
            case Deed.JSON:
                return self._server.send("PATCH", self._path, step.body, media=JSON_PATCH, **query)
            case Deed.STRATEGIC:
                return self._server.send("PATCH", self._path, step.body, media=STRATEGIC, **query)
            case Deed.STATUS:
                return self._server.send("PATCH", f"{self._path}/status", step.body, media=MERGE, **query)
            case Deed.EDIT:
                live = self._server.send("GET", self._path)
                body = _merged(live.body, step.body) if live.code == 200 else self._whole(step)
                return self._server.send("PUT", self._path, body, media=JSON, **query)
            case Deed.REPLACE:
                return self._server.send("PUT", self._path, self._whole(step), media=JSON, **query)
            case Deed.DELETE:
                kept = {"dryRun": query["dryRun"]} if step.dry_run else {}
                # What else becomes of a Job waits for controllers, which neither server has here.
                return self._server.send("DELETE", self._path, propagationPolicy="Background", **kept)

    def _whole(self, step: Step) -> dict[str, Any]:
        metadata = {**step.body.get("metadata", {}), "name": self._name}
        return {**step.body, "apiVersion": self._kind.api_version, "kind": self._kind.kind, "metadata": metadata}


def _merged(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch, RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
