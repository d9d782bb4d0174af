"""The sandbox API server and the real one answer generated requests alike.

Several writers apply, create, patch, edit and delete one object; every answer, every stored object with its
managedFields, and every watch event must be the same. Left out is what differs between any two real servers too:
uids, times, resourceVersions as numbers, allocated addresses.
"""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.contract.kube.bodies import KINDS, Kind
from tests.contract.kube.conftest import NAMESPACE
from tests.contract.kube.further import FURTHER
from tests.contract.kube.servers import Server
from tests.contract.kube.steps import Player, steps

pytestmark = pytest.mark.cluster

NUMBERS = itertools.count()
# A look into each kind; GITOPS_BOT_EXAMPLES=2000 looks for hours.
EXAMPLES = int(os.environ.get("GITOPS_BOT_EXAMPLES", "40"))
EXAMPLES_OF_FURTHER = int(os.environ.get("GITOPS_BOT_EXAMPLES", "15"))


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_both_servers_answer_alike(real: Server, sandbox: Server, kind: Kind, data: st.DataObject) -> None:
    compare(real, sandbox, kind, data)


@pytest.mark.parametrize("kind", FURTHER, ids=lambda kind: f"{kind}-{kind.plural}")
@settings(max_examples=EXAMPLES_OF_FURTHER)
@given(data=st.data())
def test_both_servers_answer_alike_about_further_kinds(
    real: Server, sandbox: Server, kind: Kind, data: st.DataObject
) -> None:
    compare(real, sandbox, kind, data)


def compare(real: Server, sandbox: Server, kind: Kind, data: st.DataObject) -> None:
    """Play drawn steps on both servers. The first difference is the failure."""
    name = f"x{next(NUMBERS)}"
    theirs, ours = (Player(server, kind, NAMESPACE, name) for server in (real, sandbox))
    try:
        for step in data.draw(steps(kind), label="steps"):
            note(str(step))
            assert ours.play(step) == theirs.play(step)
        assert ours.events() == theirs.events()
    finally:
        theirs.end()
        ours.end()
