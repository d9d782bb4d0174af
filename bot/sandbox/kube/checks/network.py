"""Ingresses and NetworkPolicies. Pure. Source: k8s.io/kubernetes/pkg/apis/networking/validation."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.sandbox.kube.checks.containers import wrong_port, wrong_port_name
from bot.sandbox.kube.checks.fields import forbidden, invalid, required, unsupported
from bot.sandbox.kube.checks.labels import check_selector
from bot.sandbox.kube.checks.names import wrong_label, wrong_subdomain
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")


def check_ingress(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    backend, rules = spec.get("defaultBackend"), spec.get("rules") or ()
    if not rules and backend is None:
        yield invalid("spec", None, "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        at = f"spec.rules[{index}]"
        yield from _host(rule.get("host", ""), f"{at}.host")
        if "http" in rule:
            paths = (rule["http"] or {}).get("paths") or ()
            if not paths:
                yield required(f"{at}.http.paths")
            for number, one in enumerate(paths):
                yield from _path(one, f"{at}.http.paths[{number}]")
    for index, tls in enumerate(spec.get("tls") or ()):
        for number, host in enumerate(tls.get("hosts") or ()):
            at = f"spec.tls[{index}].hosts[{number}]"
            yield from (invalid(at, host, text) for text in wrong_subdomain(host.removeprefix("*.")))
    if name := spec.get("ingressClassName"):
        yield from (invalid("spec.ingressClassName", name, text) for text in wrong_subdomain(name))


def _host(host: str, at: str) -> Iterator[Cause]:
    if not host:
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        yield from (invalid(at, host, text) for text in wrong_subdomain(host.removeprefix("*.")))
    else:
        yield invalid(at, host, "must be a DNS name, not an IP address")


def _path(path: Mapping[str, Any], at: str) -> Iterator[Cause]:
    kind, text = path.get("pathType"), path.get("path", "")
    if kind is None:
        yield required(f"{at}.pathType", "pathType must be specified")
        return
    if kind in {"Exact", "Prefix"}:
        if not text.startswith("/"):
            yield invalid(f"{at}.path", text, "must be an absolute path")
        if "//" in text:
            yield invalid(f"{at}.path", text, "must not contain '//'")
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            yield invalid(f"{at}.path", text, "must be an absolute path")
    else:
        yield unsupported(f"{at}.pathType", kind, _PATH_TYPES)
    yield from _backend(path.get("backend") or {}, f"{at}.backend")


def _backend(backend: Mapping[str, Any], at: str) -> Iterator[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is None and resource is None:
        yield required(at, "port name or number is required")
        return
    if service is None:
        return
    if resource is not None:
        yield invalid(at, "", "cannot set both resource and service backends")
        return
    name, port = service.get("name", ""), service.get("port") or {}
    if not name:
        yield required(f"{at}.service.name")
    else:
        yield from (invalid(f"{at}.service.name", name, text) for text in wrong_label(name))
    if port.get("name") and port.get("number"):
        yield invalid(at, "", "cannot set both port name & port number")
    elif port.get("name"):
        yield from (invalid(f"{at}.service.port.name", port["name"], text) for text in wrong_port_name(port["name"]))
    elif port.get("number"):
        yield from (invalid(f"{at}.service.port.number", port["number"], text) for text in wrong_port(port["number"]))
    else:
        yield required(at, "port name or number is required")


def check_network_policy(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    yield from check_selector(spec.get("podSelector") or {}, "spec.podSelector")
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            at = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                yield from _policy_port(port, f"{at}.ports[{number}]")
            for number, peer in enumerate(rule.get(side) or ()):
                yield from _peer(peer, f"{at}.{side}[{number}]")
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in {"Ingress", "Egress"}:
            yield unsupported(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress"), ordered=True)


def _policy_port(port: Mapping[str, Any], at: str) -> Iterator[Cause]:
    if port.get("protocol") not in {None, "TCP", "UDP", "SCTP"}:
        yield unsupported(f"{at}.protocol", port["protocol"], ("TCP", "UDP", "SCTP"), ordered=True)
    number = port.get("port")
    if number is not None:
        wrong = wrong_port_name(number) if isinstance(number, str) else wrong_port(number)
        yield from (invalid(f"{at}.port", number, text) for text in wrong)


def _peer(peer: Mapping[str, Any], at: str) -> Iterator[Cause]:
    for name in ("podSelector", "namespaceSelector"):
        if name in peer:
            yield from check_selector(peer[name] or {}, f"{at}.{name}")
    if "ipBlock" in peer:
        if len(peer) > 1:
            yield forbidden(at, "may not specify both ipBlock and another peer")
        text = (peer["ipBlock"] or {}).get("cidr", "")
        try:
            ipaddress.ip_network(text, strict=False)
            known = "/" in text
        except ValueError:
            known = False
        if not known:
            yield invalid(f"{at}.ipBlock.cidr", text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    elif not peer:
        yield required(at, "must specify a peer")
