"""The managedFields of an object: who owns which fields, through which door, since when.

Source: k8s.io/apimachinery `util/managedfields/internal`. Appliers are told apart by name and subresource, updaters by
name, subresource and version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from bot.sandbox.kube.merge.fieldset import FieldSet

APPLY: Final = "Apply"
UPDATE: Final = "Update"
# The API server keeps this many updaters apart and lumps the oldest together beyond it.
MOST_UPDATERS: Final = 10
OLDEST: Final = "ancient-changes"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Manager:
    """What identifies an entry; `api_version` is empty for appliers, who have one entry whatever the version."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        """As conflicts tell it: `"kubectl-edit" using apps/v1`."""
        shown = f'"{self.name}"'
        if self.subresource:
            shown += f' with subresource "{self.subresource}"'
        if self.operation == UPDATE:
            shown += f" using {self.api_version}"
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """The fields of one manager, in the words of one version, and the time of its last change as written."""

    fields: FieldSet
    api_version: str
    time: str = ""


Managed = dict[Manager, Owned]


def read(entries: Sequence[Mapping[str, Any]] | None) -> Managed:
    """Read `metadata.managedFields`; raises ValueError for entries the API server would not take."""
    managed: Managed = {}
    for index, entry in enumerate(entries or ()):
        operation = entry.get("operation", "")
        if operation not in (APPLY, UPDATE):
            raise ValueError("operation must be `Apply` or `Update`")
        version = entry.get("apiVersion", "")
        if not version:
            raise ValueError("apiVersion must not be empty")
        kind = entry.get("fieldsType", "")
        if kind != "FieldsV1":
            raise ValueError(
                f'invalid fieldsType "{kind}" in managed fields entry {index}'
                if kind
                else f"missing fieldsType in managed fields entry {index}"
            )
        manager = Manager(
            name=entry.get("manager", ""),
            operation=operation,
            api_version=version if operation == UPDATE else "",
            subresource=entry.get("subresource", ""),
        )
        managed[manager] = Owned(
            fields=FieldSet.parse(entry.get("fieldsV1") or {}), api_version=version, time=entry.get("time") or ""
        )
    return managed


def write(managed: Managed) -> list[dict[str, Any]]:
    """Write `metadata.managedFields`: appliers first, then by time, name, version and subresource."""
    entries = []
    for manager, owned in managed.items():
        entry: dict[str, Any] = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": owned.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": owned.fields.wire(),
            "subresource": manager.subresource,
        }
        entries.append({name: value for name, value in entry.items() if value != ""})
    entries.sort(
        key=lambda entry: (
            entry["operation"],
            entry.get("time", ""),
            entry.get("manager", ""),
            entry["apiVersion"],
            entry.get("subresource", ""),
        )
    )
    return entries


def stamp(now: datetime) -> str:
    """Write a time as the API does, to the second."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def capped(managed: Managed) -> Managed:
    """Lump the oldest updaters of a version together while there are more than MOST_UPDATERS of them."""
    updaters = [manager for manager in managed if manager.operation == UPDATE]
    if len(updaters) <= MOST_UPDATERS:
        return managed
    updaters.sort(key=lambda manager: (managed[manager].time, manager))
    managed = dict(managed)
    first: dict[str, Manager] = {}
    count = len(updaters)
    for manager in updaters:
        if count <= MOST_UPDATERS:
            break
        owned = managed[manager]
        version = owned.api_version
        if version not in first:
            first[version] = manager
            continue
        bucket = Manager(name=OLDEST, operation=UPDATE, api_version=version)
        if bucket not in managed:
            managed[bucket] = managed.pop(first[version])
        managed[bucket] = replace(owned, fields=owned.fields | managed[bucket].fields)
        del managed[manager]
        count -= 1
    return managed
