"""The pure heart of the sandbox API server: objects merged, defaulted, pruned and validated by their schema.

Bodies in, bodies out; no clock, no storage, no network. What the real server does is the standard for all of it.
"""

from bot.sandbox.kube.merge.fielderror import FieldError
from bot.sandbox.kube.merge.reading import schema_from_crd, schema_from_openapi
from bot.sandbox.kube.merge.schema import Schema
from bot.sandbox.kube.merge.structural import default, prune
from bot.sandbox.kube.merge.validation import validate
from bot.sandbox.kube.merge.writes import ConfigRefused, Conflict, Conflicts, apply, overlaid, settled, update

__all__ = [
    "ConfigRefused",
    "Conflict",
    "Conflicts",
    "FieldError",
    "Schema",
    "apply",
    "default",
    "overlaid",
    "prune",
    "schema_from_crd",
    "schema_from_openapi",
    "settled",
    "update",
    "validate",
]
