"""Containers: ports, environment, mounts, resources, probes. Pure; the order of complaints is the real server's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube import quantity
from bot.sandbox.kube.checks.fields import duplicate, forbidden, invalid, required, unsupported
from bot.sandbox.kube.checks.names import wrong_label, wrong_qualified, wrong_subdomain
from bot.sandbox.kube.errors import Cause

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_PULL: Final = ("Always", "IfNotPresent", "Never")
_STANDARD: Final = frozenset({"cpu", "memory", "ephemeral-storage", "storage"})
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_VALUE_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_FIELD_PATH: Final = re.compile(
    r"^(metadata\.(name|namespace|uid|labels|annotations)(\['.+'\])?"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIP|hostIPs|podIP|podIPs))$"
)


def check_containers(
    containers: Sequence[Mapping[str, Any]], at: str, volumes: set[str], *, host_network: bool, init: bool = False
) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, one in enumerate(containers):
        here, name = f"{at}[{index}]", one.get("name", "")
        if not name:
            yield required(f"{here}.name")
        else:
            yield from (invalid(f"{here}.name", name, text) for text in wrong_label(name))
        image = one.get("image", "")
        if not image:
            yield required(f"{here}.image")
        elif image != image.strip():
            yield invalid(f"{here}.image", image, "must not have leading or trailing whitespace")
        yield from _ports(one.get("ports") or (), f"{here}.ports", host_network=host_network)
        yield from _environment(one.get("env") or (), f"{here}.env")
        for source in one.get("envFrom") or ():
            if "configMapRef" not in source and "secretRef" not in source:
                yield invalid(f"{here}.envFrom", "", "must specify one of: `configMapRef` or `secretRef`")
        yield from _mounts(one.get("volumeMounts") or (), f"{here}.volumeMounts", volumes)
        if one.get("imagePullPolicy") not in _PULL:
            yield unsupported(f"{here}.imagePullPolicy", one.get("imagePullPolicy", ""), _PULL)
        yield from check_resources(one.get("resources") or {}, f"{here}.resources")
        yield from _security(one.get("securityContext") or {}, f"{here}.securityContext")
        if not init and name in seen:
            yield duplicate(f"{here}.name", name)
        seen.add(name)
        for hook in ("postStart", "preStop"):
            if hook in (one.get("lifecycle") or {}):
                yield from _handler(one["lifecycle"][hook], f"{here}.lifecycle.{hook}")
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            if probe in one:
                yield from _probe(one[probe], f"{here}.{probe}", once=probe != "readinessProbe")


def check_unique_names(containers: Sequence[Mapping[str, Any]], at: str, taken: set[str]) -> Iterator[Cause]:
    seen = set(taken)
    for index, one in enumerate(containers):
        if one.get("name") in seen:
            yield duplicate(f"{at}[{index}].name", one["name"])
        seen.add(one.get("name", ""))


def wrong_port_name(name: str) -> Iterator[str]:
    """Say what is wrong with the name of a port (RFC 6335)."""
    if len(name) > 15:
        yield "must be no more than 15 characters"
        return
    if not re.fullmatch(r"[-a-z0-9]+", name):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search(r"[a-z]", name):
        yield "must contain at least one letter (a-z)"
    if "--" in name:
        yield "must not contain consecutive hyphens"
    if name[:1] == "-" or name[-1:] == "-":
        yield "must not begin or end with a hyphen"


def wrong_port(number: int) -> Iterator[str]:
    if not 1 <= number <= 65_535:
        yield "must be between 1 and 65535, inclusive"


def _ports(ports: Sequence[Mapping[str, Any]], at: str, *, host_network: bool) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, one in enumerate(ports):
        here = f"{at}[{index}]"
        if name := one.get("name"):
            wrong = [invalid(f"{here}.name", name, text) for text in wrong_port_name(name)]
            yield from wrong
            if not wrong and name in seen:
                yield duplicate(f"{here}.name", name)
            seen.add(name)
        number = one.get("containerPort", 0)
        if not number:
            yield required(f"{here}.containerPort")
        else:
            yield from (invalid(f"{here}.containerPort", number, text) for text in wrong_port(number))
        if one.get("hostPort"):
            yield from (invalid(f"{here}.hostPort", one["hostPort"], text) for text in wrong_port(one["hostPort"]))
        protocol = one.get("protocol", "")
        if not protocol:
            yield required(f"{here}.protocol")
        elif protocol not in PROTOCOLS:
            yield unsupported(f"{here}.protocol", protocol, PROTOCOLS)
        if host_network and one.get("hostPort") != number:
            text = "must match `containerPort` when `hostNetwork` is true"
            yield invalid(f"{here}.hostPort", one.get("hostPort", 0), text)


def _environment(variables: Sequence[Mapping[str, Any]], at: str) -> Iterator[Cause]:
    for index, one in enumerate(variables):
        here, name = f"{at}[{index}]", one.get("name", "")
        if not name:
            yield required(f"{here}.name")
        elif not re.fullmatch(r"[ -<>-~]+", name):
            text = "a valid environment variable name must consist only of printable ASCII characters other than '='"
            yield invalid(f"{here}.name", name, text)
        if "valueFrom" in one:
            yield from _source(one["valueFrom"] or {}, f"{here}.valueFrom", value=one.get("value", ""))


def _source(source: Mapping[str, Any], at: str, *, value: str) -> Iterator[Cause]:
    found = [name for name in _VALUE_SOURCES if name in source]
    if not found:
        *first, last = (f"`{name}`" for name in _VALUE_SOURCES)
        yield invalid(at, "", f"must specify one of: {', '.join(first)} or {last}")
    elif value:
        yield invalid(at, "", "may not be specified when `value` is not empty")
    elif len(found) > 1:
        yield invalid(at, "", "may not have more than one field specified at a time")
    for name in ("configMapKeyRef", "secretKeyRef"):
        if name in source:
            reference = source[name]
            wrong = wrong_subdomain(reference.get("name", ""))
            yield from (invalid(f"{at}.{name}.name", reference.get("name", ""), text) for text in wrong)
            if not reference.get("key"):
                yield required(f"{at}.{name}.key")
    if "fieldRef" in source:
        path = (source["fieldRef"] or {}).get("fieldPath", "")
        if not path:
            yield required(f"{at}.fieldRef.fieldPath")
        elif not _FIELD_PATH.match(path):
            text = f"error converting fieldPath: field label not supported: {path}"
            yield invalid(f"{at}.fieldRef.fieldPath", path, text)


def _mounts(mounts: Sequence[Mapping[str, Any]], at: str, volumes: set[str]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, one in enumerate(mounts):
        here, name, path = f"{at}[{index}]", one.get("name", ""), one.get("mountPath", "")
        if not name:
            yield required(f"{here}.name")
        if name not in volumes:
            yield Cause(reason="FieldValueNotFound", field=f"{here}.name", message=f'Not found: "{name}"')
        if not path:
            yield required(f"{here}.mountPath")
        elif path in seen:
            yield invalid(f"{here}.mountPath", path, "must be unique")
        seen.add(path)
        if ".." in (one.get("subPath") or "").split("/"):
            yield invalid(f"{at}.subPath", one["subPath"], "must not contain '..'")
        elif (one.get("subPath") or "").startswith("/"):
            yield invalid(f"{at}.subPath", one["subPath"], "must be a relative path")


def check_resources(resources: Mapping[str, Any], at: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, text in sorted(amounts.items()):
            here = f"{at}.{kind}[{name}]"
            yield from (invalid(here, name, said) for said in _wrong_resource(name))
            amount = quantity.parse(text)
            if amount < 0:
                yield invalid(here, text, "must be greater than or equal to 0")
            if "/" in name and amount.denominator != 1:
                yield invalid(here, text, "must be an integer")
    for name, text in sorted(requests.items()):
        limit = limits.get(name)
        if limit is None:
            continue
        if "/" in name and quantity.parse(text) != quantity.parse(limit):
            yield invalid(f"{at}.requests", text, f"must be equal to {name} limit of {limit}")
        elif quantity.parse(text) > quantity.parse(limit):
            yield invalid(f"{at}.requests", text, f"must be less than or equal to {name} limit of {limit}")


def _wrong_resource(name: str) -> Iterator[str]:
    yield from wrong_qualified(name)
    if "/" not in name and name not in _STANDARD and not name.startswith("hugepages-"):
        yield "must be a standard resource type or fully qualified"
        yield "must be a standard resource for containers"


def _security(context: Mapping[str, Any], at: str) -> Iterator[Cause]:
    for field in ("runAsUser", "runAsGroup"):
        value = context.get(field)
        if value is not None and not 0 <= value <= 2_147_483_647:
            yield invalid(f"{at}.{field}", value, "must be between 0 and 2147483647, inclusive")
    if context.get("privileged") and context.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield invalid(at, dict(context), text)


def _probe(probe: Mapping[str, Any], at: str, *, once: bool) -> Iterator[Cause]:
    yield from _handler(probe, at)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        if probe.get(field, 0) < 0:
            yield invalid(f"{at}.{field}", probe[field], "must be greater than or equal to 0")
    if once and probe.get("successThreshold", 1) != 1:
        yield invalid(f"{at}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(handler: Mapping[str, Any], at: str) -> Iterator[Cause]:
    found = [name for name in _HANDLERS if name in handler]
    if not found:
        yield required(at, "must specify a handler type")
    for name in found[:1]:
        inside = handler[name] or {}
        if name == "exec" and not inside.get("command"):
            yield required(f"{at}.exec.command")
        elif name in {"httpGet", "tcpSocket"}:
            port = inside.get("port", 0)
            wrong = wrong_port_name(port) if isinstance(port, str) else wrong_port(port)
            yield from (invalid(f"{at}.{name}.port", port, text) for text in wrong)
    for name in found[1:]:
        yield forbidden(f"{at}.{name}", "may not specify more than 1 handler type")
