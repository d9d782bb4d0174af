"""The page's HTTP server on loopback: static files, the event stream, and what the page may ask for.

Other sites in the same browser cannot use it: requests must name a loopback host (DNS rebinding), and what changes
anything must be JSON, which a foreign page may not send without asking first.
"""

from __future__ import annotations

import mimetypes
import sys
import threading
import urllib.parse
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, Final

import orjson
import yaml

from bot.sandbox.demo import cluster
from bot.sandbox.demo.mischief import Impossible
from bot.sandbox.demo.office import Misuse
from bot.sandbox.demo.world import World

_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_BODY_BYTES: Final = 1_000_000
_POLICY: Final = "default-src 'self'; img-src 'self' data: https:; frame-ancestors 'none'; base-uri 'none'"
_PAGE: Final = resources.files(__package__) / "page"


class PageServer(ThreadingHTTPServer):
    """Serves one world. Bound at construction; `start` begins to answer."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.world: World
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="demo-page")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self, world: World) -> None:
        self.world = world
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed in the middle is ordinary; anything else is a bug and loud."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60.0
    server: PageServer

    def do_GET(self) -> None:
        if not self._is_local():
            return
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        match url.path.strip("/").split("/"):
            case ["api", "stream"]:
                self._stream()
            case ["api", "git"]:
                self._json(HTTPStatus.OK, self.server.world.commits())
            case ["api", "git", commit]:
                self._commit(commit)
            case ["api", "cluster"]:
                self._json(HTTPStatus.OK, self.server.world.cluster())
            case ["api", "object"]:
                self._object(query.get("path", ""))
            case ["files", id, *_]:
                self._file(id)
            case ["page", *names]:
                self._static("/".join(names))
            case [""] | ["fleet", *_]:
                self._static("index.html")
            case _:
                self._json(HTTPStatus.NOT_FOUND, {"message": "There is nothing here."})

    def do_POST(self) -> None:
        if not self._is_local():
            return
        kind = (self.headers.get("Content-Type") or "").partition(";")[0]
        length = int(self.headers.get("Content-Length") or 0)
        if kind != "application/json" or length > _BODY_BYTES:
            self.close_connection = True
            self._json(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, {"message": "JSON, please."})
            return
        try:
            said = orjson.loads(self.rfile.read(length))
            status, answer = self._act(urllib.parse.urlsplit(self.path).path.strip("/").split("/"), said)
        except (Misuse, Impossible, cluster.Unreachable) as error:
            status, answer = HTTPStatus.CONFLICT, {"message": str(error)}
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            status, answer = HTTPStatus.BAD_REQUEST, {"message": f"That makes no sense: {error!r}"}
        self._json(status, answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the person's."""

    def _act(self, path: list[str], said: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        world = self.server.world
        match path:
            case ["api", "slack", verb]:
                return HTTPStatus.OK, world.act(verb, said)
            case ["api", "mischief"]:
                return HTTPStatus.OK, {"message": world.mischief(said["id"], undo=bool(said.get("undo")))}
            case ["api", "git"]:
                return HTTPStatus.OK, {"message": world.merge(str(said["merge"]))}
            case ["api", "oncall"]:
                done = world.settle(int(said["number"]), str(said["action"]), str(said["user"]))
                return HTTPStatus.OK, {"ok": done}
            case ["api", "object"]:
                return self._edit(str(said["path"]), said)
            case _:
                return HTTPStatus.NOT_FOUND, {"message": "There is nothing here."}

    def _edit(self, path: str, said: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        """Change an object as `kubectl edit`, `scale` and `delete` do."""
        door = self.server.world.door
        if not path.startswith(("/api/", "/apis/")):
            raise Impossible("That is no object.")
        if said.get("delete"):
            reply = door.request("DELETE", path)
        elif "replicas" in said:
            body = {"spec": {"replicas": int(said["replicas"])}}
            kind = "application/merge-patch+json"
            reply = door.request(
                "PATCH", f"{path}/scale", query={"fieldManager": "kubectl"}, body=body, content_type=kind
            )
        else:
            try:
                body = yaml.safe_load(str(said["text"]))
            except yaml.YAMLError as error:
                raise Impossible(f"That is no YAML: {error}") from error
            reply = door.request("PUT", path, query={"fieldManager": "kubectl-edit"}, body=body)
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise Impossible(str(reply.body.get("message") or f"The API server answers {reply.status}."))
        return HTTPStatus.OK, {"ok": True}

    def _stream(self) -> None:
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in self.server.world.feed().events():
            self.wfile.write(event)

    def _commit(self, id: str) -> None:
        repository = self.server.world.repository
        try:
            if repository is None:
                raise LookupError(id)
            self._json(HTTPStatus.OK, {"patch": repository.patch(id)})
        except LookupError:
            self._json(HTTPStatus.NOT_FOUND, {"message": "There is no such commit."})

    def _object(self, path: str) -> None:
        try:
            if not path.startswith(("/api/", "/apis/")):
                raise LookupError(path)
            self._json(HTTPStatus.OK, {"text": cluster.manifest(self.server.world.door, path)})
        except LookupError as error:
            self._json(HTTPStatus.NOT_FOUND, {"message": str(error)})
        except cluster.Unreachable as error:
            self._json(HTTPStatus.BAD_GATEWAY, {"message": str(error)})

    def _file(self, id: str) -> None:
        file = self.server.world.slack.state.files.get(id)
        if file is None:
            self._json(HTTPStatus.NOT_FOUND, {"message": "There is no such file."})
        else:
            # Always as text: what the bot uploads must not become a page of ours.
            self._send(HTTPStatus.OK, file.content, "text/plain; charset=utf-8")

    def _static(self, name: str) -> None:
        file = _PAGE / name
        if ".." in name or not file.is_file():
            self._json(HTTPStatus.NOT_FOUND, {"message": "There is nothing here."})
            return
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._send(HTTPStatus.OK, file.read_bytes(), f"{kind}; charset=utf-8" if "image" not in kind else kind)

    def _is_local(self) -> bool:
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host") or ""
        if host in _HOSTS:
            return True
        self.close_connection = True
        self._json(HTTPStatus.MISDIRECTED_REQUEST, {"message": "This page is for this machine only."})
        return False

    def _json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, orjson.dumps(value), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)
