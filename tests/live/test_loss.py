"""The patch that asks the server what a loss of fields comes to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.live.loss import loss
from bot.sandbox.kube.json_patch import merge_patch

_KEYS = st.sampled_from(["a", "b", "c"])
_VALUES = st.recursive(
    st.integers(0, 2) | st.text(max_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_SPECS = st.dictionaries(_KEYS, _VALUES, max_size=3)


def _body(spec: dict[str, Any], version: int) -> dict[str, Any]:
    metadata = {"name": "x", "resourceVersion": str(version), "managedFields": [{"time": version}]}
    return {"apiVersion": "v1", "kind": "X", "metadata": metadata, "spec": spec, "status": {"version": version}}


@given(live=_SPECS, wanted=_SPECS)
def test_patch_makes_one_body_the_other_and_leaves_what_is_the_server_s(
    live: dict[str, Any], wanted: dict[str, Any]
) -> None:
    patched = merge_patch(_body(live, 1), loss(_body(live, 1), _body(wanted, 2)))
    assert patched == _body(wanted, 1)
