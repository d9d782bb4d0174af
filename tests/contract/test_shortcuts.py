"""No shortcut hides a difference: what is known from watches and verdicts against what the server has."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from bot.live.feeds import Change, Feed, Seen
from bot.live.spec import ClusterSpec
from bot.live.streams import Streams
from bot.live.transport import Transport
from bot.model.outcome import Result
from bot.model.plan import Action
from bot.model.record import SyncState
from bot.model.resource import KindInfo
from bot.reconcile.schedule.loop import Loop
from tests.contract.engine import EngineWorld, now
from tests.contract.manifests import config, definition, deployment, widget
from tests.controlplane.plane import ControlPlane
from tests.waiting import until

pytestmark = pytest.mark.cluster

APPS = "/apis/apps/v1"


@contextmanager
def resting(world: EngineWorld) -> Iterator[Loop]:
    """Run the loop, with rounds so rare that only watches can wake an app, until the app is at rest."""
    world.restart(interval="1h")
    with world.running() as loop:
        until(lambda: world.memory().sync is SyncState.SYNCED, "the app is synced")
        at_rest(world)
        yield loop


def at_rest(world: EngineWorld) -> None:
    until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest")


def test_defaults_and_quantities_are_no_difference_and_hide_none(world: EngineWorld) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: api}\n"
        "spec: {selector: {app: api}, ports: [{name: web, port: 80}, {name: tls, port: 443}]}\n"
    )
    limits = "resources: {limits: {cpu: 1000m, memory: 1024Mi}}, ports: [{containerPort: 80}]"
    text = deployment("api").replace("image: 'nginx:1'", f"image: 'nginx:1', {limits}")
    world.commit({"s.yaml": service, "d.yaml": text})
    with resting(world):
        container = world.found("deployments", "api", base=APPS)["spec"]["template"]["spec"]["containers"][0]
        assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
        world.plane.kubectl("-n", world.namespace, "set", "resources", "deployment/api", "--limits=cpu=2")
        until(
            lambda: (
                world.found("deployments", "api", base=APPS)["spec"]["template"]["spec"]["containers"][0]["resources"][
                    "limits"
                ]["cpu"]
                in {"1", "1000m"}
            ),
            "the quantity is back",
        )
        world.patch("services", "api", {"spec": {"selector": {"app": "other"}}})
        until(lambda: world.found("services", "api")["spec"]["selector"] == {"app": "api"}, "the selector is back")
        at_rest(world)


def test_what_kubectl_adds_after_a_verdict_goes_away(world: EngineWorld) -> None:
    world.commit({"d.yaml": deployment("api"), "c.yaml": config("settings")})
    with resting(world):
        world.plane.kubectl("-n", world.namespace, "set", "env", "deployment/api", "EXTRA=1")
        world.plane.kubectl("-n", world.namespace, "label", "configmap", "settings", "extra=yes")
        until(
            lambda: (
                "env" not in world.found("deployments", "api", base=APPS)["spec"]["template"]["spec"]["containers"][0]
            ),
            "the variable is gone",
        )
        until(lambda: "extra" not in world.found("configmaps", "settings")["metadata"]["labels"], "the label is gone")
        at_rest(world)


def test_entries_that_somebody_only_moved_are_set_back(world: EngineWorld) -> None:
    """Who moves entries of a list owns nothing more than before; in which order containers begin is no small thing."""
    first = "initContainers: [{name: one, image: 'nginx:1'}, {name: two, image: 'nginx:1'}], containers:"
    world.commit({"d.yaml": deployment("api").replace("containers:", first)})

    def names() -> list[str]:
        pod = world.found("deployments", "api", base=APPS)["spec"]["template"]["spec"]
        return [one["name"] for one in pod["initContainers"]]

    with resting(world):
        moved = world.found("deployments", "api", base=APPS)
        moved["spec"]["template"]["spec"]["initContainers"].reverse()
        del moved["metadata"]["resourceVersion"]  # its status may change meanwhile
        path = world.path("deployments", "api", base=APPS) + "?fieldManager=somebody"
        answer = world.plane.request("PUT", path, body=moved)
        assert [one["name"] for one in answer["spec"]["template"]["spec"]["initContainers"]] == ["two", "one"]
        until(lambda: names() == ["one", "two"], "the order is Git's")
        at_rest(world)


def test_object_is_deleted_by_a_version_that_is_served_still(world: EngineWorld, unique: str) -> None:
    """An operator's upgrade ends an old version: what Git dropped then was taken for gone, and stayed for ever."""
    group = f"{unique}.example.com"
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": name, "served": True, "storage": name == "v2", "schema": schema} for name in ("v1", "v2")]
    names = {"kind": "Widget", "plural": "widgets"}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": spec,
    }
    world.plane.request("POST", crds, body=crd)
    try:
        until(lambda: world.read(f"/apis/{group}/v1/widgets"), "the kind is served")
        world.commit({"w.yaml": widget(group), "c.yaml": config("settings")})
        assert world.sync().result is Result.CONVERGED
        world.plane.request("PATCH", f"{crds}/widgets.{group}", body={"spec": {"versions": versions[1:]}}, kind="merge")
        until(lambda: world.read(f"/apis/{group}/v1/widgets") is None, "the old version is served no more")
        assert world.found("widgets", "w", base=f"/apis/{group}/v2")
        world.commit({"w.yaml": None})

        def is_gone() -> bool:
            world.tick()
            return world.get("widgets", "w", base=f"/apis/{group}/v2") is None

        until(is_gone, "the object is deleted")
        until(
            lambda: world.tick() and world.inventory() == {f"ConfigMap {world.namespace}/settings"}, "it is forgotten"
        )
    finally:
        world.delete(f"{crds}/widgets.{group}")


def test_field_that_another_manager_takes_is_taken_back_and_its_own_field_stays(world: EngineWorld) -> None:
    world.commit({"c.yaml": config("settings")})
    with resting(world):
        theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
        path = world.path("configmaps", "settings") + "?fieldManager=other&force=true"
        world.plane.request("PATCH", path, body={**theirs, "data": {"level": "theirs", "own": "1"}}, kind="apply")
        until(
            lambda: world.found("configmaps", "settings")["data"] == {"level": "info", "own": "1"},
            "our field is ours again",
        )
        at_rest(world)


def test_object_that_is_made_again_by_hand_is_ours_again(world: EngineWorld) -> None:
    world.commit({"c.yaml": config("settings"), "d.yaml": config("other")})
    with resting(world):
        metadata = {"name": "settings", "labels": world.found("configmaps", "settings")["metadata"]["labels"]}
        twin = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"level": "twin"}}
        world.delete(world.path("configmaps", "settings"))
        with suppress(urllib.error.HTTPError):  # the bot may have been faster
            world.create("configmaps", twin)
        until(
            lambda: (world.get("configmaps", "settings") or {}).get("data") == {"level": "info"},
            "its content is Git's",
        )
        at_rest(world)


def test_unknown_fields_of_a_custom_resource_are_watched_too(world: EngineWorld, unique: str) -> None:
    group = f"{unique}.example.com"
    free = "{spec: {type: object, x-kubernetes-preserve-unknown-fields: true,"
    crd = definition(group).replace("{spec: {type: object,", free)
    widget = f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w}}\nspec: {{free: {{form: [1, two]}}}}\n"
    world.commit({"a.yaml": crd, "b.yaml": widget})
    try:
        with resting(world):
            base = f"/apis/{group}/v1"
            assert world.found("widgets", "w", base=base)["spec"] == {"free": {"form": [1, "two"]}, "size": 3}
            world.patch("widgets", "w", {"spec": {"free": {"form": [2]}}}, base=base)
            until(
                lambda: world.found("widgets", "w", base=base)["spec"]["free"] == {"form": [1, "two"]},
                "the free form is back",
            )
            at_rest(world)
    finally:
        world.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLAIN = {"type": "integer", "default": 3}


def a_version(name: str = "v1", *, storage: bool = True, **properties: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": properties}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {"name": name, "served": True, "storage": storage, "schema": schema}


@pytest.fixture
def kind(world: EngineWorld, unique: str) -> Iterator[Callable[..., str]]:
    """Makes the kind Widget, anew if it is there, as somebody else's operator does, and returns its group."""
    group = f"{unique}.example.com"
    path = f"{CRDS}/widgets.{group}"

    def make(*versions: dict[str, Any], scope: str = "Namespaced") -> str:
        if world.read(path) is not None:
            world.delete(path)
            until(lambda: world.read(path) is None, "the kind is gone, with all its objects")
        names = {"kind": "Widget", "plural": "widgets"}
        spec = {"group": group, "scope": scope, "names": names, "versions": versions}
        crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
        world.plane.request("POST", CRDS, body={**crd, "metadata": {"name": f"widgets.{group}"}})
        until(lambda: world.read(f"/apis/{group}/v1/widgets"), "the kind is served")
        return group

    yield make
    world.delete(path)


def red(group: str) -> str:
    return f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w}}\nspec: {{color: red}}\n"


def test_objects_of_a_kind_that_is_made_anew_are_made_anew(world: EngineWorld, kind: Callable[..., str]) -> None:
    """With other defaults, with another version in the store, in another scope and back: no verdict of before holds."""
    color = {"type": "string"}
    group = kind(a_version(color=color, size=PLAIN))
    world.commit({"w.yaml": red(group), "c.yaml": config("settings")})
    settings = f"ConfigMap {world.namespace}/settings"

    def is_made(spec: Mapping[str, Any], *, scope: str = "Namespaced") -> bool:
        space, place = ("", "") if scope == "Cluster" else (f"{world.namespace}/", f"namespaces/{world.namespace}/")
        live = world.read(f"/apis/{group}/v1/{place}widgets/w")
        return (live or {}).get("spec") == spec and world.inventory() == {f"Widget {space}w", settings}

    with resting(world):
        assert is_made({"color": "red", "size": 3})
        kind(a_version(color=color, size={"type": "integer", "default": 9}))
        until(lambda: is_made({"color": "red", "size": 9}), "it is made by the new schema")
        at_rest(world)
        kind(a_version(storage=False, color=color), a_version("v2", color=color))
        until(lambda: is_made({"color": "red"}), "it is made, and stored in another version")
        at_rest(world)
        for scope in ("Cluster", "Namespaced"):
            kind(a_version(color=color, size=PLAIN), scope=scope)
            until(partial(is_made, {"color": "red", "size": 3}, scope=scope), f"it is made, {scope}")
            assert world.planned().writes == ()


@pytest.mark.parametrize("server", ["real"], indirect=True)  # the sandbox ends no watch when a CRD changes
def test_field_that_a_new_schema_drops_is_missed_without_an_edit(world: EngineWorld, kind: Callable[..., str]) -> None:
    """No event tells of it: the objects stay what they are in the store, and the server shows less of them."""
    color = {"type": "string"}
    group = kind(a_version(color=color))
    world.commit({"w.yaml": red(group)})

    def change(**properties: Any) -> None:
        body = {"spec": {"versions": [a_version(**properties)]}}
        world.plane.request("PATCH", f"{CRDS}/widgets.{group}", body=body, kind="merge")

    with resting(world):
        change(size=PLAIN)
        until(lambda: world.memory().sync is SyncState.FAILED, "what Git has that the kind has no more is said")
        change(color=color)
        until(lambda: world.memory().sync is SyncState.SYNCED, "it is there again")
        at_rest(world)
        assert world.found("widgets", "w", base=f"/apis/{group}/v1")["spec"] == {"color": "red"}


def test_kind_learns_a_field_and_its_object_has_it_in_one_commit(world: EngineWorld, unique: str) -> None:
    """The object was asked about by the schema of before, and held the commit that would have changed it for ever."""
    group = f"{unique}.example.com"
    world.commit({"a.yaml": definition(group), "b.yaml": widget(group)})
    try:
        assert world.sync().result is Result.CONVERGED
        learned = definition(group).replace("{size: {", "{color: {type: string}, size: {")
        world.commit({"a.yaml": learned, "b.yaml": red(group)})
        (change,) = [one for one in world.planned().changes if one.id.kind == "Widget"]
        assert (change.action, change.verified) == (Action.UPDATE, False)
        until(lambda: world.sync().result is Result.CONVERGED, "the commit is applied")
        assert world.found("widgets", "w", base=f"/apis/{group}/v1")["spec"] == {"color": "red", "size": 3}
        assert world.planned().writes == ()
    finally:
        world.delete(f"{CRDS}/widgets.{group}")


def test_mutation_by_a_policy_is_no_fight_and_hides_no_edit(world: EngineWorld, unique: str) -> None:
    base = "/apis/admissionregistration.k8s.io/v1"
    expression = 'Object{data: {"level": "policy"}}'
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
    select = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": unique},
        "spec": {
            "reinvocationPolicy": "Never",
            "failurePolicy": "Fail",
            "matchConstraints": {**select, "resourceRules": [rule]},
            "matchConditions": [{"name": "settings", "expression": "object.metadata.name == 'settings'"}],
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": unique},
        "spec": {"policyName": unique},
    }
    world.plane.request("POST", f"{base}/mutatingadmissionpolicies", body=policy)
    world.plane.request("POST", f"{base}/mutatingadmissionpolicybindings", body=binding)
    try:
        probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"level": "probe"}}
        path = world.path("configmaps") + "?dryRun=All"
        until(lambda: world.plane.request("POST", path, body=probe)["data"] == {"level": "policy"}, "the policy works")
        world.commit({"c.yaml": config("settings"), "d.yaml": config("free")})
        with resting(world):
            assert world.found("configmaps", "settings")["data"] == {"level": "policy"}
            world.patch("configmaps", "free", {"data": {"level": "mine"}})
            until(lambda: world.found("configmaps", "free")["data"] == {"level": "info"}, "the edit is undone")
            at_rest(world)
    finally:
        world.delete(f"{base}/mutatingadmissionpolicybindings/{unique}")
        world.delete(f"{base}/mutatingadmissionpolicies/{unique}")


def test_watch_that_fell_behind_begins_with_a_list() -> None:
    """An API server that starts anew does not know what came before: it answers such a watch with 410."""
    plane = ControlPlane(controllers=False)
    transport = Transport(ClusterSpec(name="prod", kubeconfig=plane.kubeconfig))
    info = KindInfo(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
    heard: list[Change] = []
    feed = Feed(
        transport,
        info,
        "default",
        key=b"k" * 32,
        clock=now,
        keeps=lambda *_: False,
        changed=heard.append,
        unserved=lambda: None,
        tells_first=False,
    )
    streams = Streams(transport)
    try:
        plane.start()
        path = "/api/v1/namespaces/default/configmaps"
        for name in ("settings", "later"):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
            plane.request("POST", path, body=body)
            if name == "settings":
                feed.list()
        before, listed_at = feed.get("default", "settings"), feed.listed_at
        plane.request("DELETE", f"{path}/settings")
        heard.clear()
        plane.restart_api()
        streams.follow(feed)
        until(lambda: feed.get("default", "later"), "the new object is seen")
        assert feed.listed_at != listed_at
        assert [(one.before, one.after) for one in heard if one.id.name == "settings"] == [(before, None)]
    finally:
        streams.close()
        transport.close()
        plane.stop()


def test_server_that_was_set_back_to_a_backup_is_believed() -> None:
    """Its versions are smaller than those we know: they were taken for older news, for as long as that was so."""
    plane = ControlPlane(controllers=False)
    transport = Transport(ClusterSpec(name="prod", kubeconfig=plane.kubeconfig))
    path = "/api/v1/namespaces/default/configmaps"

    def write(name: str, data: dict[str, str], *, method: str = "PATCH") -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        place = path if method == "POST" else f"{path}/{name}"
        plane.request(method, place, body=body, kind="json" if method == "POST" else "merge")

    def feed_of(name: str) -> Seen | None:
        return feed.get("default", name)

    feed = Feed(
        transport,
        KindInfo(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True),
        "default",
        key=b"k" * 32,
        clock=now,
        keeps=lambda *_: True,
        changed=lambda _: None,
        unserved=lambda: None,
        tells_first=False,
    )
    streams = Streams(transport)
    try:
        plane.start()
        write("settings", {"level": "then"}, method="POST")
        plane.back_up()
        write("later", {}, method="POST")
        for number in range(20):
            write("settings", {"level": f"now {number}"})
        feed.list()
        assert feed_of("later") is not None
        plane.restore()
        transport.close()  # its connections are those to the server of before
        feed.list()
        assert feed_of("later") is None
        then = feed_of("settings")
        assert then is not None
        assert then.full is not None
        assert then.full["data"] == {"level": "then"}
        streams.follow(feed)
        write("settings", {"level": "after"})
        until(lambda: feed_of("settings") != then, "the edit is seen")
    finally:
        streams.close()
        transport.close()
        plane.stop()


def test_pages_asked_for_ahead_have_every_object_once(world: EngineWorld, unique: str) -> None:
    """A list of a built-in kind tells where the next page begins before its objects, one of custom resources after."""
    group = f"{unique}.example.com"
    world.commit({"crd.yaml": definition(group), "w.yaml": widget(group), "c.yaml": config("settings")})
    base = f"/apis/{group}/v1"
    transport = Transport(ClusterSpec(name="prod", kubeconfig=world.plane.kubeconfig))
    try:
        assert world.sync().result is Result.CONVERGED
        kinds = {world.path("configmaps"): "ConfigMap", f"{base}/namespaces/{world.namespace}/widgets": "Widget"}
        for path, kind in kinds.items():
            version = f"{group}/v1" if kind == "Widget" else "v1"
            for number in range(7):
                body = {"apiVersion": version, "kind": kind, "metadata": {"name": f"n{number}"}}
                world.plane.request("POST", path, body=body)
            pages = [[one["metadata"]["name"] for one in page.body["items"]] for page in transport.pages(path, size=2)]
            assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
            found = [name for page in pages for name in page if name.startswith("n")]
            assert found == [f"n{number}" for number in range(7)]
    finally:
        transport.close()
        world.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


def test_health_that_turns_bad_without_a_commit_wakes_the_app(world: EngineWorld) -> None:
    world.commit({"d.yaml": deployment("api")})
    with resting(world) as loop:
        rounds = loop.completed_at
        pods = world.plane.request("GET", world.path("pods"))["items"]
        status = {
            "containerStatuses": [
                {
                    "name": "main",
                    "image": "nginx:1",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 3,
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                }
            ]
        }
        path = world.path("pods", pods[0]["metadata"]["name"]) + "/status"
        world.plane.request("PATCH", path, body={"status": status}, kind="merge")
        until(lambda: world.memory().degraded_since is not None, "the crash loop is seen")
        assert loop.completed_at != rounds
