"""What makes an object Spinnaker's, as clouddriver writes it."""

from __future__ import annotations

import pytest

from bot.live.ownership import owner_of
from bot.model import marks

OURS = {marks.APP_LABEL: "shop", marks.PART_OF_LABEL: "set"}


@pytest.mark.parametrize(
    ("labels", "notes", "expected"),
    [
        ({}, {"moniker.spinnaker.io/application": "till"}, "Spinnaker application till"),
        ({}, {"moniker.spinnaker.io/application": '"till"'}, "Spinnaker application till"),
        ({}, {"artifact.spinnaker.io/name": "settings"}, "Spinnaker artifact settings"),
        ({}, {"moniker.spinnaker.io/application": ""}, "None"),
        ({}, {"strategy.spinnaker.io/versioned": "false"}, "None"),
        ({"app.kubernetes.io/managed-by": "spinnaker"}, {}, "None"),
        (OURS, {"moniker.spinnaker.io/application": "till"}, "None"),
    ],
)
def test_annotations_of_a_deploy_are_a_claim_and_labels_are_none(
    labels: dict[str, str], notes: dict[str, str], expected: str
) -> None:
    """Git may have such annotations too, so that Spinnaker shows the object: what is ours stays ours."""
    live = {"metadata": {"labels": labels, "annotations": notes}}
    assert str(owner_of(live, labels=OURS)) == expected
