"""The sandbox cluster over HTTP: what no comparison with a real server tells, such as faults, outages and ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import urllib3

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.kube import KubeSandbox
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture
def sandbox() -> Iterator[KubeSandbox]:
    made = KubeSandbox(users={"bob-token": "bob"})
    made.start()
    yield made
    made.stop()


class Client:
    def __init__(self, sandbox: KubeSandbox, token: str = "") -> None:
        self._headers = {"Authorization": f"Bearer {token or sandbox.token}"}
        self.url = sandbox.url
        self.pool = urllib3.PoolManager(headers=self._headers, retries=False, timeout=PATIENCE_SECONDS)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        answer = self.pool.request(
            method,
            self.url + path,
            body=None if body is None else orjson.dumps(body),
            headers={**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )
        return answer.status, orjson.loads(answer.data) if answer.data[:1] in {b"{", b"["} else answer.data.decode()


CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"level": "info"}}
CONFIGS = "/api/v1/namespaces/default/configmaps"


def test_object_survives_an_outage_on_the_same_port(sandbox: KubeSandbox) -> None:
    client = Client(sandbox)
    assert client("POST", CONFIGS, CONFIG)[0] == 201
    sandbox.pause()
    with pytest.raises(urllib3.exceptions.HTTPError):
        client("GET", f"{CONFIGS}/settings")
    sandbox.resume()
    assert client("GET", f"{CONFIGS}/settings")[1]["data"] == {"level": "info"}


def test_fault_strikes_what_it_names_and_as_often_as_it_says(sandbox: KubeSandbox) -> None:
    client = Client(sandbox)
    sandbox.fail(Fault(kind=FaultKind.THROTTLE, seconds=7), match="POST *configmaps", times=1)
    status, body = client("POST", CONFIGS, CONFIG)
    assert (status, body["reason"], body["details"]["retryAfterSeconds"]) == (429, "TooManyRequests", 7)
    assert client("GET", CONFIGS)[0] == 200
    assert client("POST", CONFIGS, CONFIG)[0] == 201


def test_watch_ends_with_the_server(sandbox: KubeSandbox) -> None:
    answer = urllib3.PoolManager().request(
        "GET",
        f"{sandbox.url}/api/v1/namespaces?watch=1",
        headers={"Authorization": f"Bearer {sandbox.token}"},
        preload_content=False,
    )
    first = answer.read1(65_536)
    assert b'"ADDED"' in first
    ended = threading.Event()

    def read() -> None:
        try:
            while answer.read1(65_536):
                pass
        except urllib3.exceptions.HTTPError:
            pass
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    sandbox.pause()
    assert ended.wait(PATIENCE_SECONDS)
    reader.join()


def test_stop_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    made = KubeSandbox()
    made.start()
    Client(made)("GET", "/api/v1/namespaces")
    made.stop()
    until(lambda: set(threading.enumerate()) <= before, "no thread is left")


def test_rights_come_from_the_roles_of_the_moment(sandbox: KubeSandbox) -> None:
    bob, admin = Client(sandbox, "bob-token"), Client(sandbox)
    status, body = bob("GET", CONFIGS)
    assert status == 403
    assert body["message"] == (
        'configmaps is forbidden: User "bob" cannot list resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "bob"},
        "subjects": [{"kind": "User", "name": "bob"}],
        "roleRef": {"kind": "ClusterRole", "name": "view"},
    }
    assert admin("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding)[0] == 201
    assert bob("GET", CONFIGS)[0] == 200
    assert bob("POST", CONFIGS, CONFIG)[0] == 403
    assert admin("POST", CONFIGS, CONFIG, Impersonate_User="bob")[0] == 403
    assert bob("GET", CONFIGS, Impersonate_User="admin")[0] == 403


def test_unknown_token_is_nobody(sandbox: KubeSandbox) -> None:
    assert Client(sandbox, "guess")("GET", CONFIGS)[0] == 401


def test_patches_that_overtake_each_other_all_happen(sandbox: KubeSandbox) -> None:
    """A patch used to be a conflict when somebody else wrote meanwhile, as `kubectl rollout restart` found."""
    Client(sandbox)("POST", CONFIGS, CONFIG)
    statuses: list[int] = []

    def write(number: int) -> None:
        client = Client(sandbox)
        for turn in range(10):
            body = {"data": {f"key-{number}-{turn}": "x"}}
            kind = "application/merge-patch+json"
            statuses.append(client("PATCH", f"{CONFIGS}/settings", body, Content_Type=kind)[0])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}
    assert len(Client(sandbox)("GET", f"{CONFIGS}/settings")[1]["data"]) == 161


def test_stream_to_a_container_ends_as_with_a_kubelet_that_is_down() -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "here"}}
    address = {"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    spec = {"nodeName": "here", "containers": [{"name": "main", "image": "nginx:1"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    made = KubeSandbox(controllers=False)
    made.start()
    try:
        for resource, body in (("nodes", node), ("serviceaccounts", account), ("pods", pod)):
            made.cluster.create(resource, body, manager="test")
        made.cluster.patch("nodes", "", "here", address, manager="test", subresource="status")
        path = "/api/v1/namespaces/default/pods/web/exec?command=ls"
        code, status = Client(made)("POST", path, Connection="Upgrade", Upgrade="SPDY/3.1")
    finally:
        made.stop()
    assert code == 500
    assert status["message"] == "error dialing backend: dial tcp 172.18.0.2:10250: connect: connection refused"
