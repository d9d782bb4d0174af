"""Defaults of built-in kinds: those that OpenAPI declares, and those that the API server has only in Go.

A rule belongs to a type (`Container`) and runs wherever the type is met, before the rules of what lies below it, in
the order of Go's generated `SetObjectDefaults_*`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from bot.sandbox.kube import recorded
from bot.sandbox.kube.defaults import core, policies, workloads
from bot.sandbox.kube.defaults.values import Rule, Rules, Value
from bot.sandbox.kube.merge.schema import OpenAPI, reference

_PACKAGES: Final[Mapping[str, Rules]] = {
    "api.admissionregistration.v1": policies.ADMISSION,
    "api.apps.v1": workloads.APPS,
    "api.autoscaling.v1": workloads.AUTOSCALING_V1,
    "api.autoscaling.v2": workloads.AUTOSCALING_V2,
    "api.batch.v1": workloads.BATCH,
    "api.core.v1": core.RULES,
    "api.discovery.v1": policies.DISCOVERY,
    "api.flowcontrol.v1": policies.FLOW_CONTROL,
    "api.networking.v1": policies.NETWORKING,
    "api.rbac.v1": policies.RBAC,
    "api.scheduling.v1": policies.SCHEDULING,
    "api.storage.v1": policies.STORAGE,
    "apiextensions-apiserver.pkg.apis.apiextensions.v1": policies.EXTENSIONS,
    "kube-aggregator.pkg.apis.apiregistration.v1": policies.AGGREGATION,
}
_RULES: Final[Mapping[str, Rule]] = {
    f"io.k8s.{package}.{name}": rule for package, rules in _PACKAGES.items() for name, rule in rules.items()
}


def set_defaults(group: str, version: str, kind: str, body: dict[str, Any]) -> None:
    """Fill in the defaults of a built-in object, in place. Idempotent; a kind that is not recorded has none."""
    name = recorded.definition_names().get((group, version, kind))
    if name is not None:
        _struct(recorded.definitions(), name, body)


def _struct(definitions: Mapping[str, OpenAPI], name: str, value: Value) -> None:
    rule = _RULES.get(name)
    if rule is not None:
        rule(value)
    properties: Mapping[str, OpenAPI] = definitions[name].get("properties") or {}
    for field, source in properties.items():
        item = value.get(field)
        if item is None or item == "":
            default = source.get("default")
            if default is None or default == item:
                continue
            item = value[field] = copy.deepcopy(default)
        _value(definitions, source, item)


def _value(definitions: Mapping[str, OpenAPI], source: OpenAPI, value: Any) -> None:
    if not isinstance(value, dict | list):
        return
    name = reference(source)
    if name is not None:
        if isinstance(value, dict):
            _struct(definitions, name, value)
    elif isinstance(value, list):
        for item in value:
            _value(definitions, source.get("items", {}), item)
    else:
        below = source.get("additionalProperties")
        if isinstance(below, Mapping):
            for item in value.values():
                _value(definitions, below, item)
