"""The string formats that a CRD may ask for. Others are not checked, as the API server does not check them.

Source: k8s.io/kube-openapi `validation/strfmt`, k8s.io/apiextensions-apiserver `apiserver/validation/formats.go`.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit


def _reads(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_HEX: Final = "[0-9a-fA-F]"
_NAME: Final = "[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_UNITS: Final = "ns|us|µs|ms|s|m|h|d|w|nanos?|micros?|millis?|seconds?|minutes?|hours?|days?|weeks?"

FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "byte": _reads(lambda text: base64.b64decode(text, validate=True)),
    "cidr": lambda text: "/" in text and _reads(lambda one: ipaddress.ip_network(one, strict=False))(text),
    "date": _reads(date.fromisoformat),
    "datetime": lambda text: "T" in text.upper() and _reads(datetime.fromisoformat)(text),
    "duration": _matches(rf"-?(0|(\s*\d+(\.\d+)?\s*({_UNITS}))+)"),
    "email": _matches(r"[^@\s]+@[^@\s]+"),
    "hostname": _matches(rf"{_NAME}(\.{_NAME})*\.?"),
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "k8slongname": lambda text: len(text) <= 253 and _matches(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")(text),
    "k8sshortname": _matches(_LABEL),
    "mac": _matches(rf"({_HEX}{{2}}[:-]){{5}}{_HEX}{{2}}"),
    "uri": lambda text: bool(urlsplit(text).scheme) or text.startswith("/"),
    "uuid": _matches(rf"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}"),
    "uuid4": _matches(rf"{_HEX}{{8}}-?{_HEX}{{4}}-?4{_HEX}{{3}}-?[89abAB]{_HEX}{{3}}-?{_HEX}{{12}}"),
}


def fits(format_name: str, text: str) -> bool:
    """Whether `text` has the format; formats that nobody checks fit everything."""
    check = FORMATS.get(format_name.replace("-", ""))
    return check is None or check(text)
