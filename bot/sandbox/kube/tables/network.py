"""Cells of Services, what stands behind them, Ingresses and network policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.tables.text import Cell, first, joined, labels, look, selector

_SHOWN: Final = 3
_ADDRESS_WIDTH: Final = 16  # loadBalancerWidth


def _external(body: Body, now: datetime) -> str:
    fixed: Sequence[str] = look(body, "spec.externalIPs") or ()
    match look(body, "spec.type"):
        case "LoadBalancer":
            return joined([*filter(None, [_addresses(body)]), *fixed], "<pending>")
        case "ExternalName":
            return str(look(body, "spec.externalName") or "")
        case _:
            return joined(fixed)


def _addresses(body: Body) -> str:
    points = look(body, "status.loadBalancer.ingress") or ()
    told = ",".join(sorted({str(one.get("ip") or one.get("hostname")) for one in points}))
    return f"{told[: _ADDRESS_WIDTH - 3]}..." if len(told) > _ADDRESS_WIDTH else told


def _ports(body: Body, now: datetime) -> str:
    def told(port: Mapping[str, Any]) -> str:
        outside = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port['port']}{outside}/{port.get('protocol', 'TCP')}"

    return joined(told(one) for one in look(body, "spec.ports") or ())


def _few(values: Sequence[str], nothing: str) -> str:
    if len(values) > _SHOWN:
        return f"{','.join(values[:_SHOWN])} + {len(values) - _SHOWN} more..."
    return ",".join(values) or nothing


def _endpoints(body: Body, now: datetime) -> str:
    if not body.get("subsets"):
        return "<none>"
    told = [
        f"{address['ip']}:{port['port']}" if port else str(address["ip"])
        for subset in body["subsets"]
        for port in subset.get("ports") or (None,)
        for address in subset.get("addresses") or ()
    ]
    return _few(told, "")


def _slice_ports(body: Body, now: datetime) -> str:
    return _few([str(one.get("port") or one.get("name") or "*") for one in body.get("ports") or ()], "<unset>")


def _slice_addresses(body: Body, now: datetime) -> str:
    return _few([str(one) for point in body.get("endpoints") or () for one in point.get("addresses") or ()], "<unset>")


def _hosts(body: Body, now: datetime) -> str:
    rules = look(body, "spec.rules") or ()
    hosts = [str(one["host"]) for one in rules if one.get("host")]
    if len(hosts) > _SHOWN:
        return f"{','.join(hosts[:_SHOWN])} + {len(rules) - _SHOWN} more..."
    return ",".join(hosts) or "*"


def _parameters(body: Body, now: datetime) -> str:
    found = look(body, "spec.parameters")
    if not found:
        return "<none>"
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found['kind']}{group}/{found['name']}"


CELLS: Final[Mapping[str, Mapping[str, Cell]]] = {
    "services": {
        "Type": first("spec.type"),
        "Cluster-IP": lambda body, now: (look(body, "spec.clusterIPs") or ["<none>"])[0],
        "External-IP": _external,
        "Port(s)": _ports,
        "Selector": lambda body, now: labels(look(body, "spec.selector")),
    },
    "endpoints": {"Endpoints": _endpoints},
    "endpointslices.discovery.k8s.io": {
        "AddressType": first("addressType"),
        "Ports": _slice_ports,
        "Endpoints": _slice_addresses,
    },
    "ingresses.networking.k8s.io": {
        "Class": first("spec.ingressClassName", "<none>"),
        "Hosts": _hosts,
        "Address": lambda body, now: _addresses(body),
        "Ports": lambda body, now: "80, 443" if look(body, "spec.tls") else "80",
    },
    "ingressclasses.networking.k8s.io": {"Controller": first("spec.controller"), "Parameters": _parameters},
    "networkpolicies.networking.k8s.io": {"Pod-Selector": lambda body, now: selector(look(body, "spec.podSelector"))},
    "ipaddresses.networking.k8s.io": {
        "ParentRef": lambda body, now: "/".join(
            filter(None, [look(body, f"spec.parentRef.{part}") for part in ("resource", "namespace", "name")])
        )
    },
    "servicecidrs.networking.k8s.io": {"CIDRs": lambda body, now: joined(look(body, "spec.cidrs") or ())},
}
