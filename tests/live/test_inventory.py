"""The list of an app's objects, and where the objects it names are to be found."""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from bot.live import inventory
from bot.live.discovery import info_of
from bot.model.control import Control, Pause
from bot.model.resource import KindInfo, KindTable, ResourceId, ResourceRef
from tests.plan.world import APP


def packed(data: bytes) -> dict[str, dict[str, str]]:
    return {"binaryData": {"inventory.gz": base64.b64encode(data).decode()}}


@pytest.mark.parametrize(
    "content",
    [
        {"data": {"inventory": "{"}},
        {"data": {"inventory": "5"}},
        {"data": {"inventory": '["","v1","ConfigMap","shop"]'}},
        {"data": {"inventory": '["","v1","ConfigMap","shop",5]'}},
        {"binaryData": {"inventory.gz": "no base64"}},
        packed(b"no gzip"),
        packed(gzip.compress(b"[]")[:-9]),
        packed(gzip.compress(b"\xff")),
    ],
)
def test_list_that_is_damaged_is_no_list(content: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        inventory.read(APP, {"metadata": {"resourceVersion": "1"}, **content})


@pytest.mark.parametrize("order", ["", "op_20260301120000_abc"])
def test_pause_that_is_read_from_its_mirror_knows_the_order_about_many_apps(order: str) -> None:
    """After the state was lost each app of the order was reminded of alone, and its button resumed none."""
    since = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    operation = f"{order}@C1" if order else ""
    pause = Pause(by="U0ANA", reason="upgrade", since=since, until=None, operation=operation, order=order)
    annotation = {inventory.CONTROL: inventory.write_control(Control(pause=pause))}
    assert inventory.read_control({"metadata": {"annotations": annotation}}) == Control(pause=pause)
    assert ("order" in annotation[inventory.CONTROL]) is bool(order)


def test_object_of_a_namespace_is_not_looked_for_where_its_kind_has_none() -> None:
    """A CRD can be made anew with another scope: what it has under the name then is something else."""
    info = KindInfo(group="example.com", version="v1", kind="Widget", plural="widgets", namespaced=False)
    table = KindTable(kinds=MappingProxyType({("example.com", "Widget"): (info,)}))
    assert info_of(table, ResourceRef(ResourceId("example.com", "Widget", "shop", "w"), "v1")) is None
    assert info_of(table, ResourceRef(ResourceId("example.com", "Widget", "", "w"), "v1")) is info
