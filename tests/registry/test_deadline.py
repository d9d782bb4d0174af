"""Whatever a server sends, and however slowly: what is asked of it ends in time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import pytest
import urllib3

from bot.errors import RegistryUnreachable
from bot.model.image import ImageName
from bot.registry.deadline import Deadline, TimedPool
from bot.registry.wire import Registries
from tests.https import make_certificate
from tests.waiting import until

PATIENCE: Final = 0.5
SOON: Final = 10.0  # less than the timeout of one read, and time enough for a busy machine

HEADERS: Final = b"HTTP/1.1 200 OK\r\nX-Slow: "
BODY: Final = b'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{"tags": ["1.4.1'

Drips = Callable[..., int]


@pytest.fixture
def drips() -> Iterator[Drips]:
    """Return what starts a server that sends a beginning, then a byte now and then for ever; it returns the port."""
    over = threading.Event()

    def drip(client: socket.socket, beginning: bytes) -> None:
        with client, suppress(OSError):
            client.sendall(beginning)
            while not over.wait(0.05):
                client.sendall(b"1")

    def serve(server: socket.socket, beginning: bytes) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=drip, args=(client, beginning), daemon=True).start()

    with ExitStack() as stack:

        def start(beginning: bytes, tls: ssl.SSLContext | None = None) -> int:
            plain = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = stack.enter_context(tls.wrap_socket(plain, server_side=True)) if tls is not None else plain
            threading.Thread(target=serve, args=(server, beginning), daemon=True).start()
            return int(server.getsockname()[1])

        yield start
        over.set()


@pytest.mark.parametrize("beginning", [HEADERS, BODY], ids=["headers", "body"])
def test_registry_that_sends_a_byte_now_and_then_is_given_up(drips: Drips, beginning: bytes) -> None:
    """It held its images for as long as it liked: each byte began the timeout anew."""
    registry, began = Registries([], patience_seconds=PATIENCE), time.monotonic()
    with pytest.raises(RegistryUnreachable, match="has not answered whole within"):
        registry.tags(ImageName(f"localhost:{drips(beginning)}", "acme/shop"))
    assert time.monotonic() - began < SOON


def test_end_is_one_for_all_tries(drips: Drips) -> None:
    pool, began = TimedPool(retries=urllib3.Retry(total=3), timeout=60), time.monotonic()
    with Deadline(PATIENCE) as deadline, pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("GET", f"http://127.0.0.1:{drips(BODY)}/")
    assert deadline.is_over
    assert time.monotonic() - began < SOON


def test_end_holds_below_tls(drips: Drips, tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    pool, began = TimedPool(retries=False, timeout=60, ca_certs=str(files.certificate)), time.monotonic()
    with Deadline(PATIENCE) as deadline, pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("GET", f"https://localhost:{drips(BODY, context)}/")
    assert deadline.is_over
    assert time.monotonic() - began < SOON


def test_connection_that_went_back_to_the_pool_is_shut_by_nobody() -> None:
    """The time of one image ended between two pages: the request of another one on that connection broke."""
    over = threading.Event()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    requests: list[bytes] = []

    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            requests.append(client.recv(10_000))
            client.sendall(answer)
            requests.append(client.recv(10_000))
            over.wait(SOON)
            time.sleep(PATIENCE)  # time enough to shut it
            client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        served, pool = threads.submit(serve, server), TimedPool(retries=False, timeout=SOON)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with Deadline(PATIENCE) as deadline:
            assert pool.request("GET", url).data == b"{}"
            other = threads.submit(pool.request, "GET", url)
            until(lambda: deadline.is_over)
            over.set()
            assert other.result(SOON).data == b"{}"
        served.result(SOON)
    assert len(requests) == 2


def test_what_ends_in_time_is_left_alone(drips: Drips) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    port = drips(answer)
    with Deadline(60) as deadline:
        assert TimedPool().request("GET", f"http://127.0.0.1:{port}/").data == b"{}"
    assert not deadline.is_over
