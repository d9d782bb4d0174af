"""The real registry of the distribution project on loopback, without TLS."""

from __future__ import annotations

import os
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Final

import urllib3

from bot.sandbox.connections import ReservedPort
from tests.https import PASSWORD, USER
from tests.tools.building import program
from tests.waiting import until

_BCRYPT: Final = "$2a$05$MiKHdgvt.NH4YuhlWxpIBuSY8R7LmiOH9HMtdxPZWrbw/8wggQSUK"  # of PASSWORD


class RealRegistry:
    """The registry of the distribution project, with a password. `start` once, `close` at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._reserved = folder, ReservedPort()
        self.host = f"localhost:{self._reserved.number}"

    def start(self, *, tells: str = "", secret: str = "") -> None:
        """Begin to answer; pushes are told to the address `tells`."""
        folder = self._folder
        (folder / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
        (folder / "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nlog: {{level: error}}\n"
            f"http: {{addr: '127.0.0.1:{self._reserved.number}'}}\n"
            f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n"
            + (f"notifications: {{endpoints: [{_endpoint(tells, secret)}]}}\n" if tells else "")
        )
        environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        self._log = (folder / "log").open("wb")
        command = [program("registry"), "serve", str(folder / "config.yml")]
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)
        until(self._answers, "the registry takes connections")
        self._http = urllib3.PoolManager(headers=urllib3.make_headers(basic_auth=f"{USER}:{PASSWORD}"), timeout=30)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        return self._reserved.is_served()

    def push(self, path: str, *tags: str) -> None:
        """Push an image without layers, by the calls of the protocol."""
        base = f"http://{self.host}/v2/{path}"
        config = b"{}"
        name = f"sha256:{sha256(config).hexdigest()}"
        place = self._http.request("POST", f"{base}/blobs/uploads/").headers["Location"]
        joint = "&" if "?" in place else "?"
        assert self._http.request("PUT", f"{place}{joint}digest={name}", body=config).status == 201
        kind = "application/vnd.oci.image.manifest.v1+json"
        about = f'{{"mediaType":"application/vnd.oci.image.config.v1+json","size":{len(config)},"digest":"{name}"}}'
        body = f'{{"schemaVersion":2,"mediaType":"{kind}","config":{about},"layers":[]}}'.encode()
        self._digest = f"sha256:{sha256(body).hexdigest()}"
        for tag in tags:
            headers = {**self._http.headers, "Content-Type": kind}
            answer = self._http.request("PUT", f"{base}/manifests/{tag}", body=body, headers=headers)
            assert answer.status == 201, answer.data

    def digest(self, path: str, tag: str) -> str:
        return self._digest

    def close(self) -> None:
        self._http.clear()
        self._process.terminate()
        self._process.wait(timeout=60)
        self._log.close()
        self._reserved.close()


def _endpoint(url: str, secret: str) -> str:
    """Return where events go; what cannot be told is told again after a second."""
    return (
        f"{{name: bot, url: '{url}', headers: {{Authorization: ['{secret}']}}, "
        "timeout: 5s, threshold: 100, backoff: 1s}"
    )
