"""Repositories as Git's own server program hands them out over HTTP."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.https import USER, Reply, Request


class Backend:
    """`git http-backend` as a CGI program. `status` other than 200 answers in its place."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.status = 200

    def answer(self, request: Request) -> Reply:
        if self.status != 200:
            return Reply(
                self.status, headers={"Location": "https://elsewhere.example.com/"} if self.status == 301 else {}
            )
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_USER": USER,
            "CONTENT_LENGTH": str(len(request.body)),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=request.body, env=environment, capture_output=True, timeout=60, check=True
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return Reply(int(headers.pop("Status", "200").split()[0]), body, headers)
