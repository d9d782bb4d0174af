"""Services. Pure. Source: k8s.io/kubernetes/pkg/apis/core/validation ValidateService."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube.checks.containers import PROTOCOLS, wrong_port, wrong_port_name
from bot.sandbox.kube.checks.fields import duplicate, forbidden, invalid, required, unsupported
from bot.sandbox.kube.checks.names import wrong_label, wrong_label_value, wrong_qualified, wrong_subdomain
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_BALANCED: Final = {
    "loadBalancerSourceRanges": "LoadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts": "allocateLoadBalancerNodePorts",
    "loadBalancerClass": "loadBalancerClass",
}
_SAID_IP: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def check_service(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    kind, headless = spec.get("type", ""), spec.get("clusterIP") == "None"
    if not spec.get("ports") and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if headless and kind in {"NodePort", "LoadBalancer"}:
        yield invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    elif kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                yield forbidden(f"spec.{field}", "may not be set for ExternalName services")
        name = spec.get("externalName", "").rstrip(".")
        if name:
            yield from (invalid("spec.externalName", name, text) for text in wrong_subdomain(name))
        else:
            yield required("spec.externalName")
    yield from _ports(spec.get("ports") or (), kind)
    for key, value in (spec.get("selector") or {}).items():
        yield from (invalid("spec.selector", key, text) for text in wrong_qualified(key))
        yield from (invalid("spec.selector", value, text) for text in wrong_label_value(value))
    affinity = spec.get("sessionAffinity", "")
    if affinity not in {"ClientIP", "None"}:
        yield unsupported("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    for index, address in enumerate(spec.get("clusterIPs") or ()):
        if address != "None" and not _address(address):
            yield invalid(f"spec.clusterIPs[{index}]", address, _SAID_IP)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        if not _address(address):
            yield invalid(f"spec.externalIPs[{index}]", address, _SAID_IP)
    if kind not in _TYPES:
        yield unsupported("spec.type", kind, _TYPES)
    if kind != "LoadBalancer":
        for field, shown in _BALANCED.items():
            if spec.get(field) not in (None, []):
                yield forbidden(f"spec.{shown}", "may only be used when `type` is 'LoadBalancer'")
    policy = spec.get("externalTrafficPolicy")
    if policy is not None:
        if kind not in {"NodePort", "LoadBalancer"} and not spec.get("externalIPs"):
            yield invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services")
        elif policy not in {"Cluster", "Local"}:
            yield unsupported("spec.externalTrafficPolicy", policy, ("Cluster", "Local"))
    if old is not None:
        before = old.get("spec") or {}
        yield from _address_stays(spec, before)
        kept = before.get("loadBalancerClass")
        if kind == before.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") != kept:
            yield invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), "may not change once set")
        status = body.get("status") or {}
        if status != old.get("status") and (status.get("loadBalancer") or {}).get("ingress") and kind != "LoadBalancer":
            yield forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")


def _ports(ports: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Cause]:
    names: set[str] = set()
    doors: set[tuple[Any, Any]] = set()
    later: list[Cause] = []
    for index, one in enumerate(ports):
        at, name = f"spec.ports[{index}]", one.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{at}.name")
        elif name:
            yield from (invalid(f"{at}.name", name, text) for text in wrong_label(name))
            if name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)
        number = one.get("port", 0)
        yield from (invalid(f"{at}.port", number, text) for text in wrong_port(number))
        protocol = one.get("protocol", "")
        if protocol not in PROTOCOLS:
            yield unsupported(f"{at}.protocol", protocol, PROTOCOLS)
        target = one.get("targetPort", number)
        wrong = wrong_port_name(target) if isinstance(target, str) else wrong_port(target)
        yield from (invalid(f"{at}.targetPort", target, text) for text in wrong)
        if one.get("nodePort") and kind == "ClusterIP":
            later.append(forbidden(f"{at}.nodePort", "may not be used when `type` is 'ClusterIP'"))
        if (protocol, number) in doors:
            shown = {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": number}
            later.append(duplicate(at, {**shown, "TargetPort": 0, "NodePort": 0}))
        doors.add((protocol, number))
    yield from later


def _address_stays(spec: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[Cause]:
    if "ExternalName" in {spec.get("type"), before.get("type")}:
        return
    old, new = before.get("clusterIPs") or (), spec.get("clusterIPs") or ()
    if old and new and old[0] != new[0]:
        yield invalid("spec.clusterIPs[0]", list(new), "may not change once set")


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
