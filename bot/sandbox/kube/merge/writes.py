"""Apply and update: the two ways to write an object, and who owns its fields afterwards.

Source: sigs.k8s.io/structured-merge-diff v6 `merge` and k8s.io/apimachinery `util/managedfields/internal`. All
versions of a kind are taken to have one schema: an object stored in another version is not converted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.merge import managed as ownership
from bot.sandbox.kube.merge.comparing import Comparison, compare
from bot.sandbox.kube.merge.elements import Unfit, equal
from bot.sandbox.kube.merge.fieldset import FieldSet, Path, show
from bot.sandbox.kube.merge.fitting import check
from bot.sandbox.kube.merge.lastapplied import KUBECTL, own_fields, with_last_applied
from bot.sandbox.kube.merge.managed import APPLY, UPDATE, Managed, Manager, Owned
from bot.sandbox.kube.merge.mentions import fields_of, remove, with_named_fields
from bot.sandbox.kube.merge.merging import merge
from bot.sandbox.kube.merge.reconcile import reconciled
from bot.sandbox.kube.merge.schema import Schema

Body = Mapping[str, Any]

BEFORE_FIRST_APPLY: Final = "before-first-apply"

# Never part of an entry, whoever wrote them.
STRIPPED: Final = FieldSet.of(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "clusterName",
            "creationTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One field that another manager owns with another value."""

    manager: Manager
    path: Path

    @property
    def message(self) -> str:
        return f"conflict with {self.manager}"

    @property
    def field(self) -> str:
        return show(self.path)


class Conflicts(Exception):
    """An apply that would change what others own, without force; `str()` is the message of the server's 409."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        super().__init__(_told(self.conflicts))


class ConfigRefused(Exception):
    """An applied configuration that the schema does not allow: the server's message and HTTP status."""

    def __init__(self, message: str, code: int) -> None:
        self.code = code
        super().__init__(message)


def _told(conflicts: Sequence[Conflict]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: {conflicts[0].message}: {conflicts[0].field}"
    lines = []
    for manager in sorted({conflict.manager for conflict in conflicts}):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {conflict.field}" for conflict in conflicts if conflict.manager == manager]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def apply(
    schema: Schema,
    live: Body | None,
    config: Body,
    *,
    manager: str,
    api_version: str,
    force: bool,
    now: datetime,
    subresource: str = "",
) -> Body:
    """Lay `config` over `live` as `manager`, drop what it no longer mentions, and write down who owns what.

    `config` is the body as sent, `live` as stored; the result still needs defaults. An apply that changes nothing
    returns an object equal to `live`. Raises Conflicts, unless `force`, and ConfigRefused.
    """
    if config.get("apiVersion") != api_version:
        raise ConfigRefused(f"invalid object type: {_kind(config)}", 400)
    if (config.get("metadata") or {}).get("managedFields") is not None:
        raise ConfigRefused("metadata.managedFields must be nil", 400)
    errors = check(schema.root, config)
    if errors:
        told = errors[0] if len(errors) == 1 else "\n".join(["errors:", *(f"  {error}" for error in errors)])
        raise ConfigRefused(f"failed to create typed patch object ({_identity(config)}): {told}", 500)

    try:
        applied = _applied(schema, live, config, manager, api_version, now, subresource, force=force)
    except Conflicts as e:
        own = own_fields(schema, live or {}, api_version) if manager == KUBECTL else FieldSet()
        strange = [conflict for conflict in e.conflicts if conflict.path not in own]
        if strange:
            raise Conflicts(strange) from e
        applied = _applied(schema, live, config, manager, api_version, now, subresource, force=True)
    return with_last_applied(applied, config) if manager == KUBECTL else applied


def _applied(
    schema: Schema,
    live: Body | None,
    config: Body,
    manager: str,
    api_version: str,
    now: datetime,
    subresource: str,
    *,
    force: bool,
) -> Body:
    me = Manager(name=manager, operation=APPLY, subresource=subresource)
    ignored = schema.reset.get(subresource)
    start = _nothing(schema, config) if live is None else _bare(live)
    managers = {} if live is None else _read(live)
    if not managers and live is not None:
        managers = _update(
            schema, _nothing(schema, config), start, {}, manager=BEFORE_FIRST_APPLY, api_version=api_version,
            now=now, subresource=subresource,
        )  # fmt: skip
    managers = _of_today(schema, managers, api_version)

    merged = merge(schema.root, start, dict(config))
    last = managers.get(me)
    fields = fields_of(schema.root, config).without(ignored or FieldSet())
    time = last.time if last is not None else ""
    managers[me] = Owned(fields=fields, api_version=api_version, time=time)
    merged = _pruned(schema, merged, managers, me, last)
    managers, _ = _taken(schema, start, merged, managers, me, ignored, force=force)
    managers = _stripped(managers, me)
    if equal(start, merged):
        return _with(start, managers)
    if me in managers:
        managers[me] = replace(managers[me], time=_time(subresource, now))
    return _with(merged, managers)


def overlaid(schema: Schema, body: Body, config: Body) -> dict[str, Any]:
    """Lay `config` over `body` without asking who owns what, as a mutating policy does. Raises ConfigRefused."""
    errors = check(schema.root, config)
    if errors:
        raise ConfigRefused(f"failed to convert patch object to typed object: {errors[0]}", 422)
    merged: dict[str, Any] = merge(schema.root, dict(body), dict(config))
    return merged


def update(
    schema: Schema,
    old: Body | None,
    new: Body,
    *,
    manager: str,
    api_version: str,
    now: datetime,
    subresource: str = "",
) -> Body:
    """Write down that `manager` made `new` out of `old` by a create, an update or a patch.

    Both have defaults. `new` may carry managedFields of its own: an empty list forgets all owners, a usable list takes
    the place of the old one; through a subresource it is not read.
    """
    current: Any = (new.get("metadata") or {}).get("managedFields")
    live = {} if old is None else _read(old)
    if subresource:
        managers = live
    elif current == [] or current == [{}]:
        managers = {}
    else:
        managers = _read(new) or live
    before = _nothing(schema, new) if old is None else _bare(old)
    after = _bare(new)
    if not managers and old is not None:
        return after
    try:
        managers = _update(
            schema, before, after, managers, manager=manager or "unknown", api_version=api_version, now=now,
            subresource=subresource,
        )  # fmt: skip
    except Unfit:
        # The API server, too, stores what it cannot track, and keeps the owners it knew.
        return _with(after, live)
    return _with(after, managers)


def settled(old: Body, new: Body) -> Body:
    """Return `old` if `new` differs from it only in the times of managedFields, else `new`.

    The last step before an object is stored, so that a write that changed nothing keeps its resourceVersion.
    Source: k8s.io/apiserver `handlers/fieldmanager/equality.go`.
    """
    return old if equal(_timeless(old), _timeless(new)) else new


def _timeless(body: Body) -> dict[str, Any]:
    entries = (body.get("metadata") or {}).get("managedFields") or ()
    bare = _bare(body)
    timeless = [{name: value for name, value in entry.items() if name != "time"} for entry in entries]
    return {**bare, "metadata": {**bare.get("metadata", {}), "managedFields": timeless}}


def _update(
    schema: Schema,
    before: Body,
    after: Body,
    managers: Managed,
    *,
    manager: str,
    api_version: str,
    now: datetime,
    subresource: str,
) -> Managed:
    ignored = schema.reset.get(subresource)
    managers = _of_today(schema, managers, api_version)
    # The changes of this write are collected apart and joined to the manager's entry afterwards, so that the entry's
    # time changes only when it took something.
    managers, change = _taken(schema, before, after, managers, None, ignored, force=True)
    fields = (change.modified | change.added) - STRIPPED
    if fields:
        me = Manager(name=manager, operation=UPDATE, api_version=api_version, subresource=subresource)
        previous = managers.get(me)
        if previous is not None:
            fields = fields | previous.fields
        managers[me] = Owned(fields=fields, api_version=api_version, time=_time(subresource, now))
    return ownership.capped(managers)


def _time(subresource: str, now: datetime) -> str:
    """Return the time of an entry; the real server loses that of what comes through `scale`."""
    return "" if subresource == "scale" else ownership.stamp(now)


def _of_today(schema: Schema, managers: Managed, api_version: str) -> Managed:
    """Bring entries of this version up to date with its schema; other versions have schemas of their own."""
    return {
        who: replace(owned, fields=reconciled(schema.root, owned.fields)) if owned.api_version == api_version else owned
        for who, owned in managers.items()
    }


def _taken(
    schema: Schema,
    before: Body,
    after: Body,
    managers: Managed,
    me: Manager | None,
    ignored: FieldSet | None,
    *,
    force: bool,
) -> tuple[Managed, Comparison]:
    """Take from everybody but `me` what changed or went away; raises Conflicts unless `force`."""
    change = compare(schema.root, before, after).without(ignored)
    changed = change.modified | change.added
    conflicts = {who: owned.fields & changed for who, owned in managers.items() if who != me}
    if not force and any(conflicts.values()):
        raise Conflicts([Conflict(manager=who, path=path) for who, fields in conflicts.items() for path in fields])
    left = {
        who: owned if who == me else replace(owned, fields=owned.fields - conflicts[who] - change.removed)
        for who, owned in managers.items()
    }
    return {who: owned for who, owned in left.items() if owned.fields}, change


def _pruned(schema: Schema, merged: Any, managers: Managed, me: Manager, last: Owned | None) -> Any:
    """Drop what the manager applied last time, does not apply now, and nobody else owns."""
    if last is None or not last.fields - managers[me].fields:
        return merged
    root = schema.root
    lasting = with_named_fields(root, last.fields)
    everything = _named_fields(schema, merged)
    left = _named_fields(schema, remove(root, merged, lasting))
    owned = FieldSet()
    for one in managers.values():
        owned = owned | one.fields
    back = remove(root, merged, everything - (left | with_named_fields(root, owned)))
    # Only what this manager had owned may go: the rest is unowned or belongs to updaters.
    gone = (everything - _named_fields(schema, back)) & lasting
    return remove(root, merged, gone)


def _named_fields(schema: Schema, value: Any) -> FieldSet:
    return with_named_fields(schema.root, fields_of(schema.root, value))


def _stripped(managers: Managed, me: Manager) -> Managed:
    mine = managers.get(me)
    if mine is None:
        return managers
    fields = mine.fields - STRIPPED
    if not fields:
        return {who: owned for who, owned in managers.items() if who != me}
    return {**managers, me: replace(mine, fields=fields)}


def _read(body: Body) -> Managed:
    try:
        return ownership.read((body.get("metadata") or {}).get("managedFields"))
    except (ValueError, AttributeError, TypeError):
        return {}


def _bare(body: Body) -> dict[str, Any]:
    """Return the object without managedFields, which are compared by nobody."""
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping) or "managedFields" not in metadata:
        return dict(body)
    return {**body, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def _with(body: Body, managers: Managed) -> dict[str, Any]:
    entries = ownership.write(managers)
    metadata = dict(body.get("metadata") or {})
    if entries:
        metadata["managedFields"] = entries
    return {**body, "metadata": metadata}


def _nothing(schema: Schema, body: Body) -> dict[str, Any]:
    """Return what the server starts from when the object does not exist."""
    return {**_bare(schema.zero), "apiVersion": body.get("apiVersion"), "kind": body.get("kind")}


def _identity(body: Body) -> str:
    metadata = body.get("metadata") or {}
    return f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {_kind(body)}"


def _kind(body: Body) -> str:
    """Print a group, version and kind as Go does; the core group's name is empty."""
    version = body.get("apiVersion", "")
    return f"{version if '/' in version else f'/{version}'}, Kind={body.get('kind', '')}"
