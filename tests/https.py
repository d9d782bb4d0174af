"""A real HTTPS server on loopback with a certificate of its own authority, for what our tools fetch."""

from __future__ import annotations

import base64
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "robot", "s3cret-pass"


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate for `localhost` and 127.0.0.1, signed by itself: who trusts it trusts nothing else."""

    certificate: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """Make a certificate with the real openssl."""
    made = Certificate(certificate=folder / "cert.pem", key=folder / "key.pem")
    names, kind = "subjectAltName=DNS:localhost,IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    extensions = ["-addext", names, "-addext", kind]  # rustls takes no authority for a server
    files = ["-keyout", str(made.key), "-out", str(made.certificate)]
    subprocess.run([*command, *extensions, *files], check=True, capture_output=True, timeout=60)
    return made


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Callable[[Request], Reply]


class HttpsServer:
    """Serves `answer` with TLS; `requests` lists what came, `authorized` says whether a request knew the password."""

    def __init__(self, answer: Answer, certificate: Certificate, *, private: bool = False) -> None:
        self.requests: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = _chunks(self) if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
                path, _, query = self.path.partition("?")
                request = Request(self.command, path, query, dict(self.headers), body)
                outer.requests.append(request)
                refused = Reply(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="test"'})
                reply = refused if private and not authorized(request) else answer(request)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_HEAD = do_POST = do

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # then closing waits for them, and no connection outlives the server
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def authorized(request: Request) -> bool:
    expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {expected}"


def _chunks(handler: BaseHTTPRequestHandler) -> bytes:
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body
