"""What is listed and watched: namespaces one by one while they are few or all that we may see, else the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.live.cache import FEW, LiveCache
from bot.live.spec import ClusterSpec
from bot.live.transport import Transport
from bot.live.verdicts import Verdicts
from bot.model.resource import KindInfo, ResourceId
from tests.contract.engine import now
from tests.controlplane.plane import COUNTED_TOKEN, LIMITED_TOKEN, ControlPlane
from tests.waiting import until

pytestmark = pytest.mark.cluster

CONFIG_MAP = KindInfo(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
RBAC = "/apis/rbac.authorization.k8s.io/v1"
KEY = b"k" * 32

Caches = Callable[[str], LiveCache]


@pytest.fixture
def caches(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Caches]:
    """Make what watches as the owner of a token."""
    with ExitStack() as stack:

        def make(token: str) -> LiveCache:
            file = tmp_path / f"{token}.kubeconfig"
            file.write_text(control_plane.kubeconfig_for(token), encoding="utf-8")
            transport = Transport(ClusterSpec(name="prod", kubeconfig=str(file)))
            stack.callback(transport.close)
            cache = LiveCache(
                transport,
                Verdicts(key=KEY, load=lambda _: b""),
                key=KEY,
                clock=now,
                follow=True,
                stir=lambda *_: None,
                needs=lambda _: False,
            )
            stack.callback(cache.close)
            return cache

        yield make


@pytest.fixture
def spaces(control_plane: ControlPlane, unique: str) -> Iterator[list[str]]:
    """Make more namespaces than are watched one by one, each with a ConfigMap."""
    names = [f"{unique}-{number}" for number in range(FEW + 2)]
    for name in names:
        control_plane.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
        path = f"/api/v1/namespaces/{name}/configmaps"
        control_plane.request("POST", path, body={"metadata": {"name": "settings"}, "data": {"level": "info"}})
    yield names
    for name in names:
        control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


def follows(plane: ControlPlane, cache: LiveCache, space: str) -> None:
    """Hold that a change in a namespace is seen."""
    id = ResourceId("", "ConfigMap", space, "settings")
    before = cache.seen(CONFIG_MAP, id)
    assert before is not None
    path = f"/api/v1/namespaces/{space}/configmaps/settings"
    plane.request("PATCH", path, body={"data": {"level": "debug"}}, kind="merge")

    def is_seen() -> bool:
        seen = cache.seen(CONFIG_MAP, id)
        return seen is not None and seen.version > before.version

    until(is_seen, f"the change in {space} is seen")


def test_few_namespaces_are_watched_one_by_one_and_many_as_one(
    control_plane: ControlPlane, caches: Caches, spaces: list[str]
) -> None:
    cache = caches(COUNTED_TOKEN)
    start = len(control_plane.served())

    def listed() -> list[str]:
        return [one.path.partition("?")[0] for one in control_plane.served()[start:] if one.verb == "list"]

    assert cache.cover(CONFIG_MAP, {(name, "settings") for name in spaces[:FEW]})
    assert listed() == [f"/api/v1/namespaces/{name}/configmaps" for name in spaces[:FEW]]
    assert cache.cover(CONFIG_MAP, {(spaces[FEW], "settings")})
    assert listed()[FEW:] == ["/api/v1/configmaps"]
    follows(control_plane, cache, spaces[0])
    follows(control_plane, cache, spaces[-1])


def test_who_may_not_list_the_cluster_watches_each_namespace_they_may(
    control_plane: ControlPlane, caches: Caches, spaces: list[str]
) -> None:
    *allowed, forbidden = spaces
    for name in allowed:
        place = f"{RBAC}/namespaces/{name}"
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}
        control_plane.request("POST", f"{place}/roles", body={"metadata": {"name": "reader"}, "rules": [rule]})
        binding = {
            "metadata": {"name": "reader"},
            "subjects": [{"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"},
        }
        control_plane.request("POST", f"{place}/rolebindings", body=binding)
    # the authorizer learns of roles by a watch of its own
    until(lambda: caches(LIMITED_TOKEN).cover(CONFIG_MAP, {(name, "settings") for name in allowed}), "it may list")
    cache = caches(LIMITED_TOKEN)
    assert cache.cover(CONFIG_MAP, {(name, "settings") for name in allowed})
    for name in allowed:
        follows(control_plane, cache, name)
    assert not cache.cover(CONFIG_MAP, {(forbidden, "settings")})
    assert not cache.knows(CONFIG_MAP, ResourceId("", "ConfigMap", forbidden, "settings"))
    assert cache.knows(CONFIG_MAP, ResourceId("", "ConfigMap", allowed[0], "absent"))
