"""Admission webhooks are asked alike by both API servers, and their answers told in the same words."""

from __future__ import annotations

import base64
import json
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.contract.engine import EngineWorld
from tests.contract.manifests import config
from tests.contract.servers import Server
from tests.https import HttpsServer, Reply, Request, make_certificate
from tests.waiting import until

pytestmark = pytest.mark.cluster  # the certificate is made by openssl, which the control plane needs as well

BASE = "/apis/admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
NOWHERE = "https://127.0.0.1:9/"


@dataclass
class Hook:
    """A webhook that answers every review with `response`, and remembers the reviews."""

    url: str
    bundle: str
    response: dict[str, Any] = field(default_factory=lambda: {"allowed": True})
    reviews: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    certificate = make_certificate(tmp_path)

    def answer(request: Request) -> Reply:
        review = json.loads(request.body)
        asked = review["request"]
        made.reviews.append({**asked, "query": request.query})
        probe = {"allowed": False, "status": {"message": "the webhook works"}}
        response = probe if asked["name"] == "probe" else made.response
        body = {**{k: review[k] for k in ("apiVersion", "kind")}, "response": {"uid": asked["uid"], **response}}
        return Reply(
            body=json.dumps(body).encode(), headers={"Content-Type": "application/json", "Connection": "close"}
        )

    server = HttpsServer(answer, certificate)
    made = Hook(url=f"{server.url}/review", bundle=base64.b64encode(certificate.certificate.read_bytes()).decode())
    try:
        yield made
    finally:
        server.stop()


Hooks = Callable[..., None]


@pytest.fixture
def put_hook(server: Server, namespace: str, unique: str, hook: Hook) -> Iterator[Hooks]:
    """Puts a webhook on the ConfigMaps of the namespace, and waits until the server asks it."""

    def put(kind: str = "Validating", **given: Any) -> None:
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": unique},
            "webhooks": [
                {
                    "name": "levels.example.com",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "timeoutSeconds": 5,
                    "clientConfig": {"url": hook.url, "caBundle": hook.bundle},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "rules": [RULE],
                    **given,
                }
            ],
        }
        server.request("POST", f"{BASE}/{kind.lower()}webhookconfigurations", body=body)

    yield put
    for kind in ("validating", "mutating"):
        server.request("DELETE", f"{BASE}/{kind}webhookconfigurations?fieldSelector=metadata.name={unique}")


def sent(server: Server, namespace: str, name: str, *, dry: bool = True, **metadata: Any) -> dict[str, Any]:
    """Create a ConfigMap and return it, or the Status of its refusal."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"level": "info"}}
    query = "?dryRun=All" if dry else ""
    try:
        made: dict[str, Any] = server.request("POST", f"/api/v1/namespaces/{namespace}/configmaps{query}", body=body)
    except urllib.error.HTTPError as error:
        made = json.loads(error.read())
    return made


def asked(server: Server, namespace: str) -> None:
    until(lambda: "the webhook works" in sent(server, namespace, "probe").get("message", ""), "the webhook works")


@pytest.mark.parametrize(
    ("status", "code", "reason", "said"),
    [
        ({"message": "too loud"}, 400, None, ": too loud"),
        ({"message": "too loud", "code": 403, "reason": "Forbidden"}, 403, "Forbidden", ": too loud"),
        ({"reason": "Loud"}, 400, "Loud", ": Loud"),
        (None, 400, None, " without explanation"),
    ],
    ids=["message", "code", "reason", "nothing"],
)
def test_refusal_of_a_webhook_keeps_its_code_and_its_words(
    server: Server,
    namespace: str,
    hook: Hook,
    put_hook: Hooks,
    status: Mapping[str, Any] | None,
    code: int,
    reason: str | None,
    said: str,
) -> None:
    hook.response = {"allowed": False} | ({"status": status} if status is not None else {})
    put_hook()
    asked(server, namespace)
    refused = sent(server, namespace, "settings")
    assert refused["message"] == f'admission webhook "levels.example.com" denied the request{said}'
    assert (refused["code"], refused.get("reason")) == (code, reason)


def test_webhook_is_told_who_does_what_to_which_object(
    server: Server, namespace: str, hook: Hook, put_hook: Hooks
) -> None:
    put_hook()
    asked(server, namespace)
    hook.reviews.clear()
    sent(server, namespace, "settings")
    (review,) = hook.reviews
    assert (review["operation"], review["name"], review["namespace"]) == ("CREATE", "settings", namespace)
    assert review["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert review["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert review["userInfo"]["username"] == "admin"
    assert review["object"]["data"] == {"level": "info"}
    assert review["oldObject"] is None
    assert review["dryRun"] is True
    assert review["query"] == "timeout=5s"


def test_patch_of_a_mutating_webhook_is_in_the_object(
    server: Server, namespace: str, hook: Hook, put_hook: Hooks
) -> None:
    patch = base64.b64encode(b'[{"op": "add", "path": "/data/level", "value": "quiet"}]').decode()
    hook.response = {"allowed": True, "patchType": "JSONPatch", "patch": patch}
    put_hook("Mutating")
    asked(server, namespace)
    assert sent(server, namespace, "settings")["data"] == {"level": "quiet"}


def test_mutation_by_a_webhook_is_no_fight_and_hides_no_edit(world: EngineWorld, hook: Hook, put_hook: Hooks) -> None:
    """It overrules a value of Git and adds one: a pass over that finds nothing to do, and still sees what people do."""
    labels = {"quiet": "yes"}
    steps = [{"op": "add", "path": f"/data/{name}", "value": "quiet"} for name in ("level", "added")]
    patch = base64.b64encode(json.dumps(steps).encode()).decode()
    hook.response = {"allowed": True, "patchType": "JSONPatch", "patch": patch}
    put_hook("Mutating", objectSelector={"matchLabels": labels})
    until(
        lambda: "the webhook works" in sent(world.plane, world.namespace, "probe", labels=labels).get("message", ""),
        "the webhook works",
    )
    text = config("settings").replace("name: settings", "name: settings, labels: {quiet: 'yes'}")
    world.commit({"c.yaml": text, "d.yaml": config("free")})
    with world.running():
        until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest")
        live = world.found("configmaps", "settings")
        assert live["data"] == {"level": "quiet", "added": "quiet"}
        world.patch("configmaps", "free", {"data": {"level": "mine"}})
        until(lambda: world.found("configmaps", "free")["data"] == {"level": "info"}, "the edit is undone")
        world.patch("configmaps", "settings", {"metadata": {"labels": {"quiet": "no"}}})
        until(lambda: world.found("configmaps", "settings")["metadata"]["labels"]["quiet"] == "yes", "so is this one")
        until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest again")
        assert world.found("configmaps", "settings")["data"] == live["data"]


def test_deletion_that_a_webhook_refuses_does_not_happen(
    server: Server, namespace: str, hook: Hook, put_hook: Hooks
) -> None:
    sent(server, namespace, "settings", dry=False)
    hook.response = {"allowed": False, "status": {"message": "deletes are frozen"}}
    put_hook()
    asked(server, namespace)
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.request("DELETE", path)
    assert "deletes are frozen" in json.loads(caught.value.read())["message"]
    assert (hook.reviews[-1]["operation"], hook.reviews[-1]["object"]) == ("DELETE", None)
    assert server.request("GET", path)["data"] == {"level": "info"}


def test_objects_that_a_selector_leaves_out_are_not_asked_about(
    server: Server, namespace: str, hook: Hook, put_hook: Hooks
) -> None:
    hook.response = {"allowed": False}
    put_hook(objectSelector={"matchExpressions": [{"key": "exempt", "operator": "DoesNotExist"}]})
    asked(server, namespace)
    assert sent(server, namespace, "settings")["code"] == 400
    assert sent(server, namespace, "settings", labels={"exempt": "yes"})["data"] == {"level": "info"}


def test_webhook_that_cannot_be_reached_refuses_or_is_passed_by(
    server: Server, namespace: str, put_hook: Hooks
) -> None:
    put_hook(clientConfig={"url": NOWHERE})
    refused = until(lambda: sent(server, namespace, "settings").get("code") and sent(server, namespace, "x"), "asked")
    assert (refused["code"], refused["reason"]) == (500, "InternalError")
    assert refused["message"] == (
        'Internal error occurred: failed calling webhook "levels.example.com": failed to call webhook: '
        f'Post "{NOWHERE}?timeout=5s": dial tcp 127.0.0.1:9: connect: connection refused'
    )


def test_webhook_that_may_fail_is_passed_by(server: Server, namespace: str, hook: Hook, put_hook: Hooks) -> None:
    hook.response = {"allowed": True, "patch": "bm8="}  # a validating one may not change anything
    put_hook(failurePolicy="Ignore")
    asked(server, namespace)
    assert sent(server, namespace, "settings")["data"] == {"level": "info"}


def test_answer_that_breaks_the_rules_is_no_answer(server: Server, namespace: str, hook: Hook, put_hook: Hooks) -> None:
    hook.response = {"allowed": True, "patch": "bm8="}
    put_hook()
    asked(server, namespace)
    refused = sent(server, namespace, "settings")
    assert refused["message"] == (
        'Internal error occurred: failed calling webhook "levels.example.com": '
        "received invalid webhook response: validating webhook may not return response.patch"
    )
