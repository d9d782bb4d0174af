"""WATCH: events of a collection as lines of JSON, with bookmarks, initial events, and ends that say why.

Source: k8s.io/apiserver/pkg/endpoints/handlers/watch.go, pkg/storage/cacher, KEP-3157 (watch-list).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bot.sandbox.kube.conversion import convert
from bot.sandbox.kube.errors import Cause, StatusError, invalid
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body, EventType
from bot.sandbox.kube.reading import Selection, rendered, too_new, too_old, version_of
from bot.sandbox.kube.requests import Request, Stream, Wanted
from bot.sandbox.kube.store import Change, Compacted, Follower, Store

_LOOK_SECONDS: Final = 2.0  # between looks whether the client is still there
_BOOKMARK_SECONDS: Final = 60.0  # the real server's pace is about a minute too
_DEFAULT_SECONDS: Final = 1_800.0
_INITIAL_END: Final = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What one watch wants to hear of."""

    resource: Resource
    chosen: Selection
    bookmarks: bool
    asked: Wanted
    query: Mapping[str, str]


def watch(store: Store, resource: Resource, chosen: Selection, request: Request, asked: Wanted) -> Stream:
    """Begin a watch. Raises `StatusError` for a request that cannot be one."""
    query = request.query
    version = version_of(query, watches=True)
    initial = query.get("sendInitialEvents", "").lower()
    _check(query, initial)
    what = Watching(
        resource=resource,
        chosen=chosen,
        bookmarks=request.flag("allowWatchBookmarks"),
        asked=asked,
        query=query,
    )
    seconds = float(query.get("timeoutSeconds") or 0) or _DEFAULT_SECONDS
    since = version if version and initial != "true" else None
    skip = initial == "false" and not version
    if version and version > store.revision:
        raise too_new(version, store.revision)
    try:
        follower = store.follow([resource.key], since=store.revision if skip else since)
    except Compacted as error:
        return _ended(too_old(since or 0, error.oldest))
    first = store.list(resource.key).revision if since is None and not skip else 0
    chunks = _events(store, follower, what, seconds, initial=first if initial == "true" else 0)
    return Stream(chunks=chunks, close=follower.close)


def _check(query: Mapping[str, str], initial: str) -> None:
    """Raise `StatusError` 422 for options that exclude each other (validateWatchOptions of apimachinery)."""
    field, match = "resourceVersionMatch", query.get("resourceVersionMatch", "")
    wrong: list[tuple[str, str]] = []
    if initial and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        wrong.append(("FieldValueForbidden", f"Forbidden: {why}"))
    if match and not initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        wrong.append(("FieldValueForbidden", f"Forbidden: {why}"))
    if match and match != "NotOlderThan":
        wrong.append(("FieldValueNotSupported", f'Unsupported value: "{match}": supported values: "NotOlderThan"'))
    if wrong:
        causes = [Cause(reason=reason, field=field, message=message) for reason, message in wrong]
        raise invalid("meta.k8s.io", "ListOptions", "", causes)


def _ended(error: StatusError) -> Stream:
    line = orjson.dumps({"type": "ERROR", "object": error.body()}) + b"\n"
    return Stream(chunks=iter([line]), close=lambda: None)


def _events(store: Store, follower: Follower, what: Watching, seconds: float, *, initial: int) -> Iterator[bytes]:
    end = time.monotonic() + seconds
    marked = time.monotonic()
    seen = store.revision
    try:
        if initial:
            changes = follower.take(0)
            lines = b"".join(line for change in changes if (line := _line(what, change)))
            yield lines + _bookmark(what, max(initial, *(one.revision for one in changes), 0), first=True)
        while (left := end - time.monotonic()) > 0:
            changes = follower.take(min(_LOOK_SECONDS, left))
            if follower.closed:
                return
            lines = b"".join(line for change in changes if (line := _line(what, change)))
            if changes:
                seen = changes[-1].revision
            elif what.bookmarks and time.monotonic() - marked > _BOOKMARK_SECONDS:
                marked = time.monotonic()
                lines += _bookmark(what, max(seen, store.quiet_revision(follower)))
            yield lines
        if what.bookmarks:
            yield _bookmark(what, seen)
    finally:
        follower.close()


def _line(what: Watching, change: Change) -> bytes:
    """Return the event as this watch sees it: an object that stops matching was deleted for it."""
    body = convert(change.object, what.resource, what.resource.version)
    before = convert(change.before, what.resource, what.resource.version) if change.before is not None else None
    now_in = change.type is not EventType.DELETED and what.chosen.has(body)
    was_in = before is not None and what.chosen.has(before)
    if now_in:
        type = "MODIFIED" if was_in else "ADDED"
    elif was_in and before is not None:
        type = "DELETED"
        if change.type is not EventType.DELETED:
            version = {"resourceVersion": body["metadata"]["resourceVersion"]}
            body = {**before, "metadata": {**before["metadata"], **version}}
    else:
        return b""
    shown = rendered(what.resource, body, what.asked, what.query)
    return orjson.dumps({"type": type, "object": shown}) + b"\n"


def _bookmark(what: Watching, revision: int, *, first: bool = False) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(revision)}
    if first:
        metadata["annotations"] = {_INITIAL_END: "true"}
    body: Body = {"kind": what.resource.kind, "apiVersion": what.resource.api_version, "metadata": metadata}
    if what.asked.form:
        body = rendered(what.resource, body, what.asked, what.query)
    return orjson.dumps({"type": "BOOKMARK", "object": body}) + b"\n"
