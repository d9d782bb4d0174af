"""What is handed out once: addresses and ports of Services. Source: k8s.io/kubernetes/pkg/registry/core/service."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from typing import Any, Final

from bot.sandbox.kube.errors import Cause, StatusError, invalid
from bot.sandbox.kube.objects import new_uid
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Store

SERVICE_RANGE: Final = ipaddress.IPv4Network("10.0.0.0/16")
_NODE_PORTS: Final = range(30_000, 32_768)


class Allocation:
    """Knows what is taken from what is stored: whoever asks holds a lock until the Service is stored."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def allot(self, body: dict[str, Any], old: Body | None) -> None:
        """Give a private Service what it lacks. Raises `StatusError` 422 when it names what somebody else has."""
        body["spec"] = dict(body.get("spec") or {})
        self._addresses(body, body["spec"], old)
        self._ports(body, body["spec"], old)

    def _addresses(self, body: Body, spec: dict[str, Any], old: Body | None) -> None:
        before = (old or {}).get("spec") or {}
        if spec.get("type") == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if before.get(name) == spec.get(name):
                    spec.pop(name, None)
            if spec.get("clusterIP"):
                spec.setdefault("clusterIPs", [spec["clusterIP"]])  # validation names it
            return
        if not spec.get("clusterIP") and before.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        if spec.get("clusterIPs") and not spec.get("clusterIP"):
            spec["clusterIP"] = spec["clusterIPs"][0]
        wanted = spec.get("clusterIP")
        if wanted and wanted != "None" and wanted != before.get("clusterIP"):
            self._claim_address(body, wanted)
        if not wanted:
            spec["clusterIP"] = self._free_address()
        if before.get("clusterIP") != spec["clusterIP"] or "clusterIPs" not in spec:
            spec["clusterIPs"] = [spec["clusterIP"]]
        # Without addresses and without Pods of its own, a Service is of both families although the cluster has one.
        both = spec["clusterIP"] == "None" and not spec.get("selector")
        policy = before.get("ipFamilyPolicy") or ("RequireDualStack" if both else "SingleStack")
        if spec.setdefault("ipFamilyPolicy", policy) != "SingleStack" and both:
            spec.setdefault("ipFamilies", before.get("ipFamilies") or ["IPv4", "IPv6"])
        spec.setdefault("ipFamilies", before.get("ipFamilies") or ["IPv4"])

    def _used_addresses(self) -> set[str]:
        return {str((one.get("spec") or {}).get("clusterIP")) for one in self._store.list("services").objects}

    def _free_address(self) -> str:
        used = self._used_addresses()
        hosts = SERVICE_RANGE.num_addresses
        start = 256 + hash(new_uid()) % (hosts - 512)  # the first addresses are left to those who name one
        for offset in range(hosts):
            address = str(SERVICE_RANGE[256 + (start + offset) % (hosts - 512)])
            if address not in used:
                return address
        raise StatusError(500, "InternalError", "failed to allocate a serviceIP: range is full")

    def _claim_address(self, body: Body, wanted: str) -> None:
        name = body["metadata"].get("name", "")
        try:
            inside = ipaddress.IPv4Address(wanted) in SERVICE_RANGE
        except ValueError:
            return  # validation names it
        why = ""
        if not inside:
            why = (
                f"failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. "
                f"The range of valid IPs is {SERVICE_RANGE}"
            )
        elif wanted in self._used_addresses():
            why = f"failed to allocate IP {wanted}: provided IP is already allocated"
        if why:
            message = f'Invalid value: ["{wanted}"]: {why}'
            raise invalid(
                "", "Service", name, [Cause(reason="FieldValueInvalid", field="spec.clusterIPs", message=message)]
            )

    def _ports(self, body: Body, spec: dict[str, Any], old: Body | None) -> None:
        exposed = spec.get("type") == "NodePort" or (
            spec.get("type") == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts", True)
        )
        before = {
            (one.get("port"), one.get("protocol")): one.get("nodePort")
            for one in ((old or {}).get("spec") or {}).get("ports") or ()
        }
        if not exposed and not _checked(spec):
            return
        me = (body["metadata"].get("namespace"), body["metadata"].get("name"))
        used = {
            port.get("nodePort")
            for one in self._store.list("services").objects
            if (one["metadata"].get("namespace"), one["metadata"]["name"]) != me
            for port in (
                *((one.get("spec") or {}).get("ports") or ()),
                {"nodePort": (one.get("spec") or {}).get("healthCheckNodePort")},
            )
        }
        if _checked(spec):
            known = ((old or {}).get("spec") or {}).get("healthCheckNodePort")
            spec["healthCheckNodePort"] = spec.get("healthCheckNodePort") or known or _free(used)
            used.add(spec["healthCheckNodePort"])
        if not exposed:
            return
        ports = []
        for index, one in enumerate(spec.get("ports") or ()):
            port = one.get("nodePort") or before.get((one.get("port"), one.get("protocol")))
            if port in used and port:
                message = f"Invalid value: {port}: provided port is already allocated"
                cause = Cause(reason="FieldValueInvalid", field=f"spec.ports[{index}].nodePort", message=message)
                raise invalid("", "Service", str(me[1]), [cause])
            port = port or _free(used)
            used.add(port)
            ports.append({**one, "nodePort": port})
        spec["ports"] = ports


def _checked(spec: Mapping[str, Any]) -> bool:
    """Whether a load balancer asks each node if it has a Pod of the Service."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _free(used: Collection[Any]) -> int:
    return next(port for port in _NODE_PORTS if port not in used)
