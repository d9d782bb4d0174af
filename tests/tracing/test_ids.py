"""Names of traces, and the header that carries them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.tracing import ids
from bot.tracing.ids import Place

OPERATION = "op_20260301120000_a1b2c3"


def test_trace_of_an_operation_is_the_same_in_every_version() -> None:
    """A pass after an upgrade goes on in the trace of the pass before it."""
    assert f"{ids.trace_of(OPERATION):032x}" == "a639779032c7a4002cba90c5dcd81516"
    assert f"{ids.root_of(OPERATION):016x}" == "a62d43b24dd0041e"


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        (OPERATION, OPERATION),
        (f"{OPERATION}:page", OPERATION),
        (f"{OPERATION}@C0DEPLOYS", OPERATION),
        ("rollout:fleet:a1b2c3", ""),
        ("gitops-bot:test", ""),
        ("", ""),
    ],
)
def test_operation_is_read_from_the_name_of_its_message(name: str, operation: str) -> None:
    assert ids.operation_in(name) == operation


def test_operation_says_when_it_began() -> None:
    assert ids.began_at(OPERATION) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert ids.began_at(f"{OPERATION}:page") is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_traceparent_is_read_as_it_was_written(trace: int, span: int, sampled: bool) -> None:
    place = Place(trace, span, sampled)
    assert ids.read(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
    ],
)
def test_header_that_is_no_traceparent_is_nobody_s(text: str) -> None:
    assert ids.read(text) is None
