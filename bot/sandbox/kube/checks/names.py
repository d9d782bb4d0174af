"""Forms of names, labels and annotations, with the sentences the real server refuses them with. Pure.

Source: k8s.io/apimachinery/pkg/util/validation and pkg/api/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.sandbox.kube.checks.fields import duplicate, invalid, required, shown, too_long
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_OLD_LABEL: Final = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = rf"({_QUALIFIED})?"
_CONFIG_KEY: Final = r"[-._a-zA-Z0-9]+"
_ANNOTATIONS_BYTES: Final = 256 * 1024

_SAID_LABEL: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SAID_SUBDOMAIN: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_SAID_OLD_LABEL: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_OLD_LABEL}')"
)
_SAID_QUALIFIED: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_SAID_VALUE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_SAID_CONFIG_KEY: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def wrong_label(name: str) -> Iterator[str]:
    """Say what is wrong with a DNS label (RFC 1123)."""
    if len(name) > 63:
        yield "must be no more than 63 bytes"
    if not re.fullmatch(_LABEL, name):
        yield _SAID_LABEL


def wrong_dotless(name: str) -> Iterator[str]:
    """Say what is wrong with the name of a Namespace or Service: dots get a sentence of their own."""
    yield from ["must not contain dots"] if "." in name else wrong_label(name)


def wrong_old_label(name: str) -> Iterator[str]:
    """Say what is wrong with a DNS label of RFC 1035, which begins with a letter."""
    if len(name) > 63:
        yield "must be no more than 63 bytes"
    if not re.fullmatch(_OLD_LABEL, name):
        yield _SAID_OLD_LABEL


def wrong_subdomain(name: str) -> Iterator[str]:
    if len(name) > 253:
        yield "must be no more than 253 bytes"
    if not re.fullmatch(_SUBDOMAIN, name):
        yield _SAID_SUBDOMAIN


def wrong_path_segment(name: str) -> Iterator[str]:
    """Say what is wrong with a name that only has to fit into a URL, as those of Roles."""
    if name in {".", ".."}:
        yield f"may not be '{name}'"
    yield from (f"may not contain '{one}'" for one in "/%" if one in name)


def wrong_qualified(name: str) -> Iterator[str]:
    """Say what is wrong with a key of a label or annotation."""
    prefix, slash, last = name.rpartition("/")
    if slash:
        if not prefix:
            yield "prefix part must be non-empty"
        else:
            yield from (f"prefix part {text}" for text in wrong_subdomain(prefix))
    if not last:
        yield "name part must be non-empty"
    elif len(last) > 63:
        yield "name part must be no more than 63 bytes"
    if not re.fullmatch(_QUALIFIED, last):
        yield _SAID_QUALIFIED


def wrong_label_value(value: str) -> Iterator[str]:
    if len(value) > 63:
        yield "must be no more than 63 bytes"
    if not re.fullmatch(_VALUE, value):
        yield _SAID_VALUE


def wrong_config_key(key: str) -> Iterator[str]:
    if len(key) > 253:
        yield "must be no more than 253 bytes"
    if not re.fullmatch(_CONFIG_KEY, key):
        yield _SAID_CONFIG_KEY


_NAMES: Final = {
    "namespaces": wrong_dotless,
    "services": wrong_dotless,
    **dict.fromkeys(
        (
            "roles.rbac.authorization.k8s.io",
            "clusterroles.rbac.authorization.k8s.io",
            "rolebindings.rbac.authorization.k8s.io",
            "clusterrolebindings.rbac.authorization.k8s.io",
        ),
        wrong_path_segment,
    ),
}


def check_metadata(resource: Resource, body: Body, old: Body | None) -> Iterator[Cause]:
    """Check what every object has: name, labels, annotations, owners, finalizers."""
    metadata = body["metadata"]
    name = metadata.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif old is None:
        yield from (invalid("metadata.name", name, text) for text in _NAMES.get(resource.key, wrong_subdomain)(name))
    yield from check_labels(metadata.get("labels") or {}, "metadata.labels")
    yield from check_annotations(metadata.get("annotations") or {}, "metadata.annotations")
    yield from _owners(metadata.get("ownerReferences") or ())
    for one in metadata.get("finalizers") or ():
        yield from (invalid("metadata.finalizers", one, text) for text in wrong_qualified(one))
    if old is not None and "deletionTimestamp" in old["metadata"]:
        known = old["metadata"].get("finalizers") or ()
        added = [one for one in metadata.get("finalizers") or () if one not in known]
        if added:
            told = ", ".join(shown(one) for one in added)
            text = (
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                f"[]string{{{told}}}"
            )
            yield Cause(reason="FieldValueForbidden", field="metadata.finalizers", message=f"Forbidden: {text}")


def check_labels(labels: Mapping[str, str], at: str) -> Iterator[Cause]:
    for key, value in labels.items():
        yield from (invalid(at, key, text) for text in wrong_qualified(key))
        yield from (invalid(at, value, text) for text in wrong_label_value(value))


def check_annotations(annotations: Mapping[str, str], at: str) -> Iterator[Cause]:
    for key in annotations:
        yield from (invalid(at, key, text) for text in wrong_qualified(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_BYTES:
        yield too_long(at, _ANNOTATIONS_BYTES)


def _owners(owners: Any) -> Iterator[Cause]:
    controllers = [one for one in owners if one.get("controller")]
    for one in owners:
        at = "metadata.ownerReferences"
        for name, said in (("apiVersion", "version must not be empty"), ("kind", "kind must not be empty")):
            if not one.get(name):
                yield invalid(f"{at}.{name}", one.get(name, ""), said)
        for name in ("name", "uid"):
            if not one.get(name):
                yield invalid(f"{at}.{name}", "", f"{name} must not be empty")
    if len(controllers) > 1:
        first, second = controllers[:2]
        text = (
            "Only one reference can have Controller set to true. Found "
            f'"true" in references for {first["kind"]}/{first["name"]} and {second["kind"]}/{second["name"]}'
        )
        yield invalid("metadata.ownerReferences", list(owners), text)


def check_unique(names: list[str], at: str, field: str) -> Iterator[Cause]:
    """Name the entries of a list that have a name twice."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield duplicate(f"{at}[{index}].{field}", name)
        seen.add(name)
