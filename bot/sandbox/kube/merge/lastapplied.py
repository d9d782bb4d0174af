"""What `kubectl apply` left behind, when `kubectl apply --server-side` takes over.

Source: k8s.io/apimachinery `util/managedfields/internal/lastapplied{manager,updater}.go`. Only for the manager named
`kubectl`: whoever wants to keep conflicts chooses another name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from bot.sandbox.kube.merge.comparing import compare
from bot.sandbox.kube.merge.elements import Unfit
from bot.sandbox.kube.merge.fieldset import FieldSet
from bot.sandbox.kube.merge.fitting import check
from bot.sandbox.kube.merge.gotext import go_json
from bot.sandbox.kube.merge.mentions import fields_of
from bot.sandbox.kube.merge.schema import Schema

Body = Mapping[str, Any]

KUBECTL: Final = "kubectl"
ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"


def own_fields(schema: Schema, live: Body, api_version: str) -> FieldSet:
    """Return the fields that the annotation mentions and that still have its values: no conflict is a stranger's."""
    text = _annotations(live).get(ANNOTATION)
    if not text:
        return FieldSet()
    try:
        last = json.loads(text)
        if last.get("apiVersion") != api_version or check(schema.root, last):
            return FieldSet()
        change = compare(schema.root, last, live)
    except (ValueError, AttributeError, Unfit):
        return FieldSet()
    return fields_of(schema.root, last) - change.modified - change.added - change.removed


def with_last_applied(body: Body, config: Body) -> Body:
    """Bring the annotation, if there is one, up to date with what was applied."""
    if not _annotations(body).get(ANNOTATION):
        return body
    metadata = dict(config.get("metadata") or {})
    if metadata.get("annotations"):
        kept = {name: value for name, value in metadata["annotations"].items() if name != ANNOTATION}
        metadata["annotations"] = kept
        if not kept:
            del metadata["annotations"]
    annotations = {**_annotations(body), ANNOTATION: go_json({**config, "metadata": metadata}) + "\n"}
    return {**body, "metadata": {**body["metadata"], "annotations": annotations}}


def _annotations(body: Body) -> Mapping[str, str]:
    found: Mapping[str, str] = (body.get("metadata") or {}).get("annotations") or {}
    return found
