"""What is kept of an object that is pruned, so that it can be created again. Pure.

Secrets are never kept: their values would outlive them in our database. What the server gave the object (identity,
status, addresses, the selector of a Job) is left out, because it would refuse or mean something else at a new birth;
our labels too: an object that Git does not have is nobody's, or the next sync would prune it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.model import marks
from bot.model.masking import is_secret
from bot.model.resource import Body, id_of

_OURS: Final = frozenset({marks.APP_LABEL, marks.PART_OF_LABEL})
_GIVEN: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_GIVEN_SPEC: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("", "Pod"): frozenset({"nodeName"}),
    ("", "Service"): frozenset({"clusterIP", "clusterIPs"}),
    ("batch", "Job"): frozenset({"selector"}),
}
_JOB_LABELS: Final = ("batch.kubernetes.io/", "controller-uid", "job-name")


def keepsake(body: Body) -> Body | None:
    """Return what is kept of a live object; None for a Secret."""
    id = id_of(body)
    if is_secret(id):
        return None
    metadata = {key: value for key, value in body["metadata"].items() if key not in _GIVEN}
    metadata["labels"] = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _OURS}
    kept: dict[str, Any] = {key: value for key, value in body.items() if key not in {"status", "metadata"}}
    given = _GIVEN_SPEC.get((id.group, id.kind), frozenset())
    if given and isinstance(kept.get("spec"), Mapping):
        if kept["spec"].get("clusterIP") == "None":  # headless: a choice, not a gift of the server
            given = frozenset()
        kept["spec"] = {key: value for key, value in kept["spec"].items() if key not in given}
    if (id.group, id.kind) == ("batch", "Job"):
        kept["spec"]["template"] = _without_job_labels(kept["spec"].get("template") or {})
        metadata["labels"] = _not_of_a_job(metadata["labels"])
    return {**kept, "metadata": {key: value for key, value in metadata.items() if value}}


def _without_job_labels(template: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = template.get("metadata") or {}
    return {**template, "metadata": {**metadata, "labels": _not_of_a_job(metadata.get("labels") or {})}}


def _not_of_a_job(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if not key.startswith(_JOB_LABELS)}
