"""Owned fields after a schema changed: what was granular and now is one value is owned as one value.

Source: sigs.k8s.io/structured-merge-diff v6 `typed/reconcile_schema.go`. The other way round nothing happens: fields
that were one value and now are granular are read as if they always had been.
"""

from __future__ import annotations

from bot.sandbox.kube.merge.fieldset import FieldSet
from bot.sandbox.kube.merge.schema import ListType, MapType, Scalar, Type


def reconciled(type_: Type, fields: FieldSet) -> FieldSet:
    """Return `fields` as the type would have them today; the same object if nothing changed."""
    members = fields.members
    children = fields.children
    for element, child in fields.children.items():
        below = _below(type_, element)
        if below is None:
            continue
        branch = below.map or below.scalar or below.list
        if isinstance(branch, Scalar | None) or (isinstance(branch, MapType) and branch.deduced):
            continue
        if branch.atomic:
            members = members | {element}
            children = {name: value for name, value in children.items() if name != element}
            continue
        today = reconciled(below, child)
        if today is not child:
            children = {**children, element: today}
    if members is fields.members and children is fields.children:
        return fields
    return FieldSet(set(members), dict(children))


def _below(type_: Type, element: str) -> Type | None:
    branch = type_.map or type_.scalar or type_.list
    if isinstance(branch, MapType):
        return branch.field(element[2:]) if element[0] == "f" else branch.element
    return branch.items if isinstance(branch, ListType) else None
