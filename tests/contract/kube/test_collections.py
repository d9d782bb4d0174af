"""Lists, selectors, watches, deletions and discovery: both servers read, end and tell alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.contract.kube.conftest import NAMESPACE
from tests.contract.kube.servers import MERGE, Answer, Server, comparable

pytestmark = pytest.mark.cluster

MAPS: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
LIST: Final = {"labelSelector": "many"}
TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA: Final = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
DISCOVERY: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def settings(number: int, **metadata: Any) -> dict[str, Any]:
    labels = {"many": "yes", "parity": "odd" if number % 2 else "even"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"many-{number}", "labels": labels, **metadata},
    }


@pytest.fixture
def many(real: Server, sandbox: Server) -> Iterator[None]:
    """Seven objects on each server."""
    for server in (real, sandbox):
        for number in range(7):
            made = server.send("POST", MAPS, settings(number))
            assert made.code == 201, made.body
    yield
    for server in (real, sandbox):
        server.send("DELETE", MAPS, **LIST)


def names(answer: Answer) -> list[str]:
    return [one["metadata"]["name"] for one in answer.body["items"]]


def page(answer: Answer) -> Any:
    """Return a page of a list without what is of one server alone."""
    if answer.code != 200:
        return answer.code, comparable(answer.body)
    metadata = answer.body["metadata"]
    return (
        answer.code,
        answer.body["kind"],
        names(answer),
        bool(metadata.get("continue")),
        metadata.get("remainingItemCount"),
    )


@pytest.mark.usefixtures("many")
def test_list_is_read_in_pages_of_one_moment(real: Server, sandbox: Server) -> None:
    """What is deleted and made between two pages shows in neither."""

    def read(server: Server) -> list[Any]:
        first = server.send("GET", MAPS, limit="3", labelSelector="many=yes")
        server.send("DELETE", f"{MAPS}/many-5")
        server.send("POST", MAPS, settings(55))
        following: dict[str, str] = {"labelSelector": "many=yes", "continue": first.body["metadata"]["continue"]}
        second = server.send("GET", MAPS, limit="3", **following)
        following["continue"] = second.body["metadata"]["continue"]
        refused = [
            server.send("GET", MAPS, limit="3", resourceVersion="1", **following),
            server.send("GET", MAPS, limit="some"),
        ]
        third = server.send("GET", MAPS, limit="3", **following)
        nonsense = server.send("GET", MAPS, **{"continue": "nonsense"}).code  # Go's words for what is no JSON
        return [*(page(one) for one in (first, second, third, *refused)), nonsense]

    assert read(sandbox) == read(real)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    "query",
    [
        {"fieldSelector": "metadata.name=many-3"},
        {"fieldSelector": "metadata.name!=many-3", **LIST},
        {"fieldSelector": f"metadata.namespace={NAMESPACE},metadata.name==many-2"},
        {"fieldSelector": "data.level=info"},
        {"fieldSelector": "metadata.name"},
        {"labelSelector": "parity in (odd,none),many"},
        {"labelSelector": "many,parity notin (odd)"},
        {"labelSelector": "many,!parity"},
        {"labelSelector": "many=yes,parity!=odd"},
        {"labelSelector": "many in yes"},
    ],
    ids=lambda query: " ".join(query.values()),
)
def test_selectors_choose_alike(real: Server, sandbox: Server, query: dict[str, str]) -> None:
    assert page(sandbox.send("GET", MAPS, **query)) == page(real.send("GET", MAPS, **query))


@pytest.mark.usefixtures("many")
def test_list_as_a_table_or_as_metadata_alone(real: Server, sandbox: Server) -> None:
    def read(server: Server) -> list[Any]:
        table = server.send("GET", MAPS, accept=TABLE, **LIST).body
        cells = [row["cells"][:2] for row in table["rows"]]
        columns = [(one["name"], one["type"], one["priority"]) for one in table["columnDefinitions"]]
        metadata = server.send("GET", MAPS, accept=METADATA, **LIST).body
        return [table["kind"], columns, cells, metadata["kind"], [comparable(one) for one in metadata["items"]]]

    assert read(sandbox) == read(real)


@pytest.mark.usefixtures("many")
def test_collection_is_deleted_by_its_labels(real: Server, sandbox: Server) -> None:
    def deleted(server: Server) -> list[Any]:
        dry = server.send("DELETE", MAPS, labelSelector="parity=odd", dryRun="All")
        kept = names(server.send("GET", MAPS, **LIST))
        done = server.send("DELETE", MAPS, labelSelector="parity=odd")
        return [page(dry), kept, page(done), names(server.send("GET", MAPS, **LIST))]

    assert deleted(sandbox) == deleted(real)


@pytest.mark.usefixtures("many")
def test_watch_begins_with_what_is_there_and_a_bookmark(real: Server, sandbox: Server) -> None:
    def seen(server: Server) -> list[Any]:
        further = {
            "sendInitialEvents": "true",
            "allowWatchBookmarks": "true",
            "resourceVersionMatch": "NotOlderThan",
            "labelSelector": "many=yes",
        }
        found = []
        for kind, body in server.watch(MAPS, "", 9, **further):
            metadata = body["metadata"]
            found.append((kind, metadata.get("name"), metadata.get("annotations")))
            if kind == "BOOKMARK":
                server.send("PATCH", f"{MAPS}/many-0", {"data": {"level": "debug"}}, media=MERGE)
        return found

    assert seen(sandbox) == seen(real)


def test_watch_of_nonsense_is_refused_alike(real: Server, sandbox: Server) -> None:
    def refused(server: Server) -> list[Any]:
        queries: list[dict[str, str]] = [
            {"resourceVersion": "soon"},
            {"sendInitialEvents": "true"},
            {"resourceVersionMatch": "Exact", "resourceVersion": "1"},
        ]
        answers = [server.send("GET", MAPS, watch="1", timeoutSeconds="1", **query) for query in queries]
        return [(answer.code, comparable(answer.body)) for answer in answers]

    assert refused(sandbox) == refused(real)


def test_object_with_a_finalizer_leaves_when_that_is_gone(real: Server, sandbox: Server) -> None:
    def leaves(server: Server) -> list[Any]:
        path = f"{MAPS}/many-9"
        held = settings(9, finalizers=["example.com/held"])
        return [
            (answer.code, comparable(answer.body))
            for answer in (
                server.send("POST", MAPS, held),
                server.send("DELETE", path, {"preconditions": {"uid": "another"}}),
                server.send("DELETE", path),
                server.send("PATCH", path, {"metadata": {"finalizers": ["example.com/further"]}}, media=MERGE),
                server.send("PATCH", path, {"data": {"still": "here"}}, media=MERGE),
                server.send("PATCH", path, {"metadata": {"finalizers": None}}, media=MERGE),
                server.send("GET", path),
                server.send("DELETE", path),
            )
        ]

    assert leaves(sandbox) == leaves(real)


@pytest.mark.parametrize("policy", ["Foreground", "Orphan", "Background", "Sideways"])
def test_policy_of_a_deletion_is_kept_as_a_finalizer(real: Server, sandbox: Server, policy: str) -> None:
    def leaves(server: Server) -> list[Any]:
        path = f"{MAPS}/many-8"
        answers = [server.send("POST", MAPS, settings(8)), server.send("DELETE", path, propagationPolicy=policy)]
        server.send("PATCH", path, {"metadata": {"finalizers": None}}, media=MERGE)
        server.send("DELETE", path)
        return [(answer.code, comparable(answer.body)) for answer in answers]

    assert leaves(sandbox) == leaves(real)


def test_pod_that_was_given_to_a_node_has_its_grace(real: Server, sandbox: Server) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "graceful"},
        "spec": {"nodeName": "somewhere", "containers": [{"name": "a", "image": "x:1"}]},
    }

    def leaves(server: Server) -> list[Any]:
        path = f"{PODS}/graceful"
        answers = [
            server.send("POST", PODS, pod),
            server.send("DELETE", path),
            server.send("DELETE", path, gracePeriodSeconds="5"),
            server.send("DELETE", path, gracePeriodSeconds="60"),
            server.send("GET", path),
            server.send("DELETE", path, gracePeriodSeconds="0"),
            server.send("GET", path),
        ]
        return [
            (answer.code, answer.body.get("metadata", {}).get("deletionGracePeriodSeconds"), answer.body.get("message"))
            for answer in answers
        ]

    assert leaves(sandbox) == leaves(real)


def test_what_clients_discover_is_alike(real: Server, sandbox: Server) -> None:
    """Aggregated and by group: kinds, verbs, scopes, subresources and short names."""

    def found(server: Server) -> Any:
        groups = [one for root in ("/api", "/apis") for one in server.send("GET", root, accept=DISCOVERY).body["items"]]
        plain = server.send("GET", "/apis").body["groups"]
        apps = server.send("GET", "/apis/apps/v1").body["resources"]
        for one in apps:
            one.pop("storageVersionHash", None)
        for group in groups:
            group["metadata"].pop("creationTimestamp", None)
        ordered = sorted(groups, key=lambda one: str(one["metadata"].get("name", "")))
        return json.loads(json.dumps([ordered, sorted(plain, key=lambda one: str(one["name"])), apps]))

    assert found(sandbox) == found(real)


def test_schemas_are_found_where_kubectl_looks_for_them(real: Server, sandbox: Server) -> None:
    def found(server: Server) -> Any:
        paths = server.send("GET", "/openapi/v3").body["paths"]
        schemas = server.send("GET", "/openapi/v3/apis/apps/v1").body["components"]["schemas"]
        return sorted(paths), sorted(schemas), schemas["io.k8s.api.apps.v1.DeploymentSpec"]

    assert found(sandbox) == found(real)
