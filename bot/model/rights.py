"""Rights on a cluster as values: who may do what to which kind of object, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """A kind as access rules name it, in one namespace ("" is the whole cluster)."""

    namespace: str
    group: str
    plural: str


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One verb on one resource for one user ("" is the bot itself); `name` narrows it to one object."""

    user: str
    resource: Resource
    verb: str
    name: str = ""

    def __str__(self) -> str:
        group = f".{self.resource.group}" if self.resource.group else ""
        named = f" {self.name}" if self.name else ""
        where = f"in the namespace {self.resource.namespace}" if self.resource.namespace else "in the whole cluster"
        return f"{self.verb} {self.resource.plural}{group}{named} {where}"
