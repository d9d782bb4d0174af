"""GET of one object and of collections: selectors, pages, older revisions, and the forms a client may ask for.

Source: k8s.io/apiserver/pkg/storage/etcd3 (list semantics), pkg/endpoints/handlers/response.go (forms).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bot.sandbox.kube.conversion import convert
from bot.sandbox.kube.errors import Cause, StatusError, bad_request, gone, invalid
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.label_query import parse_labels
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.requests import Request, Wanted
from bot.sandbox.kube.selectors import FieldSelector, LabelSelector, parse_fields
from bot.sandbox.kube.store import Compacted, Future, Store, key_of
from bot.sandbox.kube.tables import table

FORMS: Final = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which objects of a collection a request is about."""

    namespace: str
    labels: LabelSelector
    fields: FieldSelector

    def has(self, body: Body) -> bool:
        metadata = body["metadata"]
        if self.namespace and metadata.get("namespace") != self.namespace:
            return False
        return self.labels.matches(metadata.get("labels") or {}) and self.fields.matches(body)


def selection(resource: Resource, namespace: str, query: Mapping[str, str], *, name: str = "") -> Selection:
    """Read the selectors of a query. Raises `StatusError` 400."""
    definition = resource.definition
    selectable = None
    if definition is not None:
        selectable = [one["jsonPath"].lstrip(".") for one in definition.get("selectableFields") or ()]
    text = query.get("fieldSelector", "")
    if name:
        text = ",".join(filter(None, (text, f"metadata.name={name}")))
    return Selection(
        namespace=namespace,
        labels=parse_labels(query.get("labelSelector", "")),
        fields=parse_fields(text, resource.qualified, selectable),
    )


def collection(store: Store, resource: Resource, chosen: Selection, request: Request) -> dict[str, Any]:
    """Return a list object. Raises `StatusError` 400 and 410."""
    query = request.query
    at, after = _where(query, store.revision)
    snapshot = _snapshot(store, resource, chosen.namespace, at)
    found = []
    limit = _number(query, "limit")
    metadata: dict[str, Any] = {"resourceVersion": str(snapshot.revision)}
    for body in snapshot.objects:
        if after is not None and key_of(body) <= after:
            continue
        seen = convert(body, resource, resource.version)
        if chosen.has(seen):
            found.append(seen)
    if limit and len(found) > limit:
        last = key_of(found[limit - 1])
        token = {"v": "meta.k8s.io/v1", "rv": snapshot.revision, "start": f"{last[0]}/{last[1]}"}
        metadata["continue"] = base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")
        if not chosen.labels.requirements and not chosen.fields.terms:
            metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return {"kind": list_kind(resource), "apiVersion": resource.api_version, "metadata": metadata, "items": found}


def list_kind(resource: Resource) -> str:
    return resource.list_kind or f"{resource.kind}List"


def rendered(resource: Resource, body: Mapping[str, Any], asked: Wanted, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Return an object or a list in the form the client asked for."""
    items = body.get("items") if body.get("kind") == list_kind(resource) else None
    if asked.form == "Table":
        objects = [body] if items is None else items
        return table(resource, objects, body.get("metadata") if items is not None else None, asked.version, query)
    if asked.form.startswith("PartialObjectMetadata"):
        if items is None:
            return {**partial(body), "apiVersion": f"meta.k8s.io/{asked.version}"}
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"meta.k8s.io/{asked.version}",
            "metadata": body["metadata"],
            "items": [partial(one) for one in items],
        }
    if items is not None and resource.definition is None:
        # Items of built-in kinds do not repeat what the list says of them.
        bare = [{name: value for name, value in one.items() if name not in {"kind", "apiVersion"}} for one in items]
        return {**body, "items": bare}
    return body


def partial(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]}


def version_of(query: Mapping[str, str], *, watches: bool = False) -> int | None:
    """Return the resourceVersion of a query, None when there is none. Raises `StatusError` 400, 500 of a watch."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdigit():
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise StatusError(500, "", why) if watches else bad_request(f"invalid resource version: {why}")
    return int(text)


def too_old(asked: int, oldest: int) -> StatusError:
    return gone(f"too old resource version: {asked} ({oldest})")


def too_new(asked: int, current: int) -> StatusError:
    message = f"Too large resource version: {asked}, current: {current}"
    cause = Cause(reason="ResourceVersionTooLarge", message="Too large resource version")
    return StatusError(504, "Timeout", message, causes=[cause], retry_after_seconds=1)


def _where(query: Mapping[str, str], newest: int) -> tuple[int | None, tuple[str, str] | None]:
    """Return the revision a list is to show (None: the newest) and the object after which it goes on."""
    token, match, version = query.get("continue", ""), query.get("resourceVersionMatch", ""), version_of(query)
    if token:
        if version:
            raise bad_request("specifying resource version is not allowed when using continue")
        try:
            decoded = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            namespace, _, name = str(decoded["start"]).partition("/")
            return int(decoded["rv"]), (namespace, name)
        except (ValueError, KeyError, TypeError) as error:
            raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    if match and version is None:
        cause = Cause(
            reason="FieldValueForbidden",
            field="resourceVersionMatch",
            message="Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        )
        raise invalid("meta.k8s.io", "ListOptions", "", [cause])
    if match == "Exact":
        if version == 0:
            cause = Cause(
                reason="FieldValueForbidden",
                field="resourceVersionMatch",
                message='Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
            )
            raise invalid("meta.k8s.io", "ListOptions", "", [cause])
        return version, None
    if version is not None and query.get("limit") and version > 0 and not match:
        return version, None
    if version is not None and version > newest:
        raise too_new(version, newest)  # which the real server waits for in vain for three seconds
    return None, None


def _snapshot(store: Store, resource: Resource, namespace: str, at: int | None) -> Any:
    try:
        return store.list(resource.key, namespace, at=at)
    except Compacted as error:
        assert at is not None
        raise gone(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
            "without the continue parameter, or use the continue token in this response to retrieve the remainder of "
            "the results. Continuing with the provided token results in an inconsistent list - objects that were "
            "created, modified, or deleted between the time the first chunk was returned and now may show up in the "
            "list."
            if error.oldest
            else ""
        ) from error
    except Future as error:
        raise too_new(at or 0, error.current) from error


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "") or "0"
    if not text.lstrip("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return max(0, int(text))
