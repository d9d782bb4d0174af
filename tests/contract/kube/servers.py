"""An API server as the contract sees it: requests out, answers in, without what differs between any two servers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_OWN: Final = ("uid", "resourceVersion", "creationTimestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status code and a body; `version` is the object's resourceVersion, empty for a Status."""

    code: int
    body: Any
    version: str = ""


class Server:
    """One API server, real or not, and an administrator's token for it."""

    def __init__(self, url: str, token: str, ca_file: str | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(ca_certs=ca_file, retries=False, timeout=30)

    def close(self) -> None:
        self._pool.clear()

    def send(
        self, method: str, path: str, body: Any = None, *, media: str = JSON, accept: str = JSON, **query: str
    ) -> Answer:
        answer = self._pool.request(
            method,
            f"{self._url}{path}" + (f"?{urlencode(query)}" if query else ""),
            body=None if body is None else json.dumps(body),
            headers={**self._headers, "Content-Type": media, "Accept": accept},
        )
        found: dict[str, Any] = json.loads(answer.data) if answer.data[:1] == b"{" else {"text": answer.data.decode()}
        version = found.get("metadata", {}).get("resourceVersion", "") if found.get("kind") != "Status" else ""
        return Answer(code=answer.status, body=found, version=version)

    def watch(self, path: str, version: str, count: int, **further: str) -> Iterator[tuple[str, Any]]:
        """Yield the first `count` changes after a resourceVersion; ends early only when the server ends the watch."""
        query = urlencode({"watch": "1", "resourceVersion": version, "timeoutSeconds": "20", **further})
        headers = {**self._headers, "Accept": JSON}
        answer = self._pool.request("GET", f"{self._url}{path}?{query}", headers=headers, preload_content=False)
        left = count
        try:
            for line in _lines(answer) if left else ():
                event = json.loads(line)
                yield event["type"], event["object"]
                left -= 1
                if not left:
                    return
        finally:
            answer.close()


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in answer.stream(amt=None):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


# The token volume of a Pod, and the owner that a Job writes into labels.
_RANDOM: Final = re.compile(r"kube-api-access-[a-z0-9]{5}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def comparable(body: Mapping[str, Any]) -> Any:
    """Return a body without identity, times, addresses and the order that Go's maps give to errors."""
    found: Any = json.loads(_RANDOM.sub("random", json.dumps(body)))
    if found.get("kind") == "Status":
        return _status(found)
    metadata = found.get("metadata", {})
    for name in _OWN:
        metadata.pop(name, None)
    if "deletionTimestamp" in metadata:
        metadata["deletionTimestamp"] = "set"
    if "managedFields" in metadata:
        metadata["managedFields"] = _managed(metadata["managedFields"])
    if found.get("kind") == "Service":
        _forget_addresses(found)
    if found.get("kind") == "PersistentVolume":
        found["status"]["lastPhaseTransitionTime"] = "some" if "lastPhaseTransitionTime" in found["status"] else "none"
    if found.get("kind") in ("CustomResourceDefinition", "APIService"):
        found.pop("status", None)  # controllers fill it in their time
        metadata["managedFields"] = [one for one in metadata["managedFields"] if one["manager"] != "kube-apiserver"]
    return found


def _managed(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort entries by who they are: their own order is that of times."""
    for entry in entries:
        entry["time"] = "time" in entry
    return sorted(entries, key=lambda entry: json.dumps({**entry, "fieldsV1": None}, sort_keys=True))


def _forget_addresses(service: dict[str, Any]) -> None:
    spec = service.get("spec", {})
    for name in ("clusterIP", "clusterIPs"):
        if name in spec and spec[name] not in ("None", ["None"]):
            spec[name] = "some"
    if "healthCheckNodePort" in spec:
        spec["healthCheckNodePort"] = "some"
    for port in spec.get("ports", ()):
        if "nodePort" in port:
            port["nodePort"] = "some"


# Fields whose whole Go struct the real server prints, and the sandbox the JSON of it.
_PRINTED: Final = frozenset({"spec.template", "spec.template.spec", "spec.volumeClaimTemplates"})
_STRUCT: Final = re.compile(r"(?:[\[{].*[\]}]|null): ")


def _status(status: dict[str, Any]) -> Any:
    details = status.get("details", {})
    details.pop("uid", None)
    causes = details.get("causes", ())
    if [cause.get("field") for cause in causes] == ["patch"]:
        # The whole object is quoted, with its times, and Go prints the maps of a patch in its own way.
        causes[0]["message"] = status["message"] = causes[0]["message"].rpartition('": ')[2]
    for cause in causes:
        # Differences of Go structs, which the sandbox does not print.
        cause["message"] = cause["message"].partition("\n@@")[0]
        status["message"] = status["message"].partition("\n@@")[0]
        if cause.get("field") in _PRINTED:
            cause["message"] = _STRUCT.sub("struct: ", cause["message"])
            status["message"] = _STRUCT.sub("struct: ", status["message"])
    if len(causes) > 1:
        details["causes"] = sorted(causes, key=json.dumps)
        status["message"] = "several"
    return status
