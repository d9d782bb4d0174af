"""Elements that people use, and what they did to them as interactions carry it. Pure.

Source: https://docs.slack.dev/reference/interaction-payloads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_FIELDS: Final = {
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "plain_text_input": "value",
    "number_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
}
_ONE: Final = frozenset({"static_select", "overflow", "radio_buttons"})
_MANY: Final = frozenset({"multi_static_select", "checkboxes"})
_FIXED: Final = frozenset({"button", *_ONE})  # elements that know the values they can send


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An element, and the block it stands in."""

    block_id: str
    element: Mapping[str, Any]


def place_of(blocks: Sequence[Mapping[str, Any]], action_id: str, *, value: Any = None, block_id: str = "") -> Place:
    """Return where an element is; `value` decides between buttons that share an action.

    Raises `LookupError` when there is no such element: what is not there cannot be used.
    """
    for index, block in enumerate(blocks):
        name = str(block.get("block_id") or f"block-{index}")
        if block_id and block_id != name:
            continue
        single = [block[key] for key in ("accessory", "element") if key in block]
        for element in [*(block.get("elements") or ()), *single]:
            if element.get("action_id") != action_id:
                continue
            values = [element.get("value"), *(option["value"] for option in element.get("options") or ())]
            if value is None or element["type"] not in _FIXED or value in values:
                return Place(block_id=name, element=element)
    raise LookupError(f"no element {action_id!r} to use")


def chosen(element: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Return the part of an action that tells the choice; `value` is an option's value, an id, a date, a text, or a
    list of them where several can be chosen."""
    kind = element["type"]
    if kind in _ONE:
        return {"selected_option": _option(element["options"], value)}
    if kind in _MANY:
        return {"selected_options": [_option(element["options"], one) for one in value]}
    if kind == "external_select":
        return {"selected_option": _foreign(value)}
    if kind == "multi_external_select":
        return {"selected_options": [_foreign(one) for one in value]}
    if kind in _FIELDS:
        return {_FIELDS[kind]: value}
    return {"value": element.get("value", ""), "text": element["text"]}


def plain_text(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def _option(options: Sequence[Mapping[str, Any]], value: Any) -> Mapping[str, Any]:
    found = next((one for one in options if one["value"] == value), None)
    if found is None:
        raise LookupError(f"no option {value!r}")
    return found


def _foreign(value: Any) -> Mapping[str, Any]:
    """Return an option the app offered for a search: the workspace does not keep those."""
    return value if isinstance(value, Mapping) else {"text": plain_text(str(value)), "value": value}
