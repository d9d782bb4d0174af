"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902): documents in, a new document out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from bot.sandbox.kube.errors import StatusError, bad_request


def merge_patch(target: Any, patch: Any) -> Any:
    """Return the target with a merge patch applied; shares what did not change."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """Return the target after all operations. Raises `StatusError` 400 for nonsense, 422 when one cannot apply."""
    if not isinstance(operations, Sequence) or isinstance(operations, str):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = deepcopy(target)
    for operation in operations:
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: Mapping[str, Any]) -> Any:
    kind, path = operation.get("op"), str(operation.get("path") or "")
    match kind:
        case "add":
            return _add(document, path, operation.get("value"))
        case "remove":
            _remove(document, path, "remove")
            return document
        case "replace":
            # A key that is not there is added: the real server's library has always let that pass.
            if path and _look(document, path, "replace", missing=_NOWHERE) is not _NOWHERE:
                _remove(document, path, "replace")
            return _add(document, path, operation.get("value"))
        case "move":
            value = _remove(document, str(operation.get("from") or ""), "move")
            return _add(document, path, value)
        case "copy":
            return _add(document, path, deepcopy(_copied(document, str(operation.get("from") or ""))))
        case "test":
            if _look(document, path, "test", missing=None) != operation.get("value"):
                raise _unprocessable(f"testing value {path} failed: test failed")
            return document
        case _:
            raise bad_request(f"unknown operation: {kind}")


_ABSENT: Final = object()
_NOWHERE: Final = object()


def _parts(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise bad_request(f"json patch path must start with a slash: {path}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _look(document: Any, path: str, kind: str, *, missing: Any = _ABSENT) -> Any:
    value = document
    for part in _parts(path):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif missing is not _ABSENT:
            return missing
        else:
            raise _unprocessable(f"{kind} operation does not apply: doc is missing key: {path}: missing value")
    return value


def _copied(document: Any, path: str) -> Any:
    """Return what is copied; a key that is not there is null, as in the real server's library."""
    parent, last = _parent(document, path, "copy") if path else (None, "")
    return None if isinstance(parent, Mapping) and last not in parent else _look(document, path, "copy")


def _parent(document: Any, path: str, kind: str) -> tuple[Any, str]:
    *above, last = _parts(path)
    value = document
    for part in above:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise _unprocessable(f'{kind} operation does not apply: doc is missing path: "{path}": missing value')
    return value, last


def _add(document: Any, path: str, value: Any) -> Any:
    if not path:
        return value
    parent, last = _parent(document, path, "add")
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        index = len(parent) if last == "-" else int(last) if last.isdigit() else -1
        if not 0 <= index <= len(parent):
            raise _unprocessable(f"add operation does not apply: doc is missing path: {path}: invalid index")
        parent.insert(index, value)
    else:
        raise _unprocessable(f'add operation does not apply: doc is missing path: "{path}": missing value')
    return document


def _remove(document: Any, path: str, kind: str) -> Any:
    _look(document, path, kind)
    parent, last = _parent(document, path, kind)
    return parent.pop(int(last) if isinstance(parent, list) else last)


def _unprocessable(message: str) -> StatusError:
    """Return the 422 of a patch that does not apply; the real server tells nobody why (`message` does)."""
    error = StatusError(422, "Invalid", "the server rejected our request due to an error in our request", told=True)
    error.__cause__ = ValueError(message)
    return error
