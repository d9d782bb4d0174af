"""Slack's limits of Block Kit, as the real API enforces them: blocks in, complaints out.

Pure. A type that is not here is a complaint, so that nothing unchecked passes. Numbers: Slack's Block Kit reference, https://docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

MESSAGE_BLOCKS: Final = 50
VIEW_BLOCKS: Final = 100
ALL_BLOCKS_CHARACTERS: Final = 13_200  # not in the reference; the real API answers msg_blocks_too_long above it
TEXT_CHARACTERS: Final = 40_000
VIEW_CHARACTERS: Final = 250_000

_SECTION_TEXT: Final = 3_000
_FIELDS: Final = 10
_FIELD_TEXT: Final = 2_000
_HEADER_TEXT: Final = 150
_CONTEXT_ELEMENTS: Final = 10
_ACTIONS_ELEMENTS: Final = 25
_BLOCK_ID: Final = 255
_ACTION_ID: Final = 255
_BUTTON_TEXT: Final = 75
_BUTTON_VALUE: Final = 2_000
_BUTTON_LABEL: Final = 75
_URL: Final = 3_000
_OPTIONS: Final = 100
_OPTION_TEXT: Final = 75
_OPTION_VALUE: Final = 150
_PLACEHOLDER: Final = 150
_VIEW_TITLE: Final = 24
_VIEW_METADATA: Final = 3_000
_VIEW_CALLBACK: Final = 255
_INPUT_LENGTH: Final = 3_000
_CONFIRM_TITLE: Final = 100
_CONFIRM_TEXT: Final = 300
_CONFIRM_BUTTON: Final = 30
_ALT_TEXT: Final = 2_000
_MARKDOWN: Final = 12_000
_RICH_ELEMENTS: Final = 1_000  # not in the reference; a rich text ends at the size of all blocks anyway
_FEW_OPTIONS: Final = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}
_PICKERS: Final = frozenset(
    {
        *(f"{many}{kind}_select" for many in ("", "multi_") for kind in ("users", "channels", "conversations")),
        *("multi_external_select", "datepicker", "timepicker", "datetimepicker"),
        *("number_input", "email_text_input", "url_text_input"),
    }
)
_STYLES: Final = ("primary", "danger")
_TEXTUAL: Final = ("placeholder", "focus_on_load", "initial_value", "dispatch_action_config")
_FIELDS_OF: Final[Mapping[str, Sequence[str]]] = {
    "header": ("text",),
    "section": ("text", "fields", "accessory", "expand"),
    "context": ("elements",),
    "actions": ("elements",),
    "input": ("label", "element", "hint", "optional", "dispatch_action"),
    "divider": (),
    "rich_text": ("elements",),
    "markdown": ("text",),
    "button": ("text", "url", "value", "style", "confirm", "accessibility_label"),
    "static_select": ("placeholder", "options", "option_groups", "initial_option", "confirm", "focus_on_load"),
    "external_select": ("placeholder", "min_query_length", "initial_option", "confirm", "focus_on_load"),
    "overflow": ("options", "confirm"),
    "checkboxes": ("options", "initial_options", "confirm", "focus_on_load"),
    "radio_buttons": ("options", "initial_option", "confirm", "focus_on_load"),
    "plain_text_input": ("multiline", "min_length", "max_length", *_TEXTUAL),
}  # besides `type`, and `block_id` or `action_id`; kinds that are not here are not held to theirs


def complaints(blocks: object, *, most: int = MESSAGE_BLOCKS) -> tuple[str, ...]:
    """Return what Slack would refuse in `blocks`, each with the JSON pointer it names; empty when all is well."""
    if not isinstance(blocks, Sequence) or isinstance(blocks, str):
        return ("must be an array [json-pointer:/blocks]",)
    found = [f"no more than {most} items allowed [json-pointer:/blocks]"] if len(blocks) > most else []
    for index, block in enumerate(blocks):
        found += _block(block, f"/blocks/{index}")
    named = [block["block_id"] for block in blocks if isinstance(block, Mapping) and block.get("block_id")]
    if len(named) != len(set(named)):
        found.append("block_id must be unique [json-pointer:/blocks]")
    return tuple(found)


def view_complaints(view: object, kind: str) -> tuple[str, ...]:
    """Return what Slack would refuse in a view of this kind, `modal` or `home`."""
    if not isinstance(view, Mapping):
        return ("must be an object [json-pointer:/view]",)
    if view.get("type") != kind:
        return (f"must be {kind} [json-pointer:/view/type]",)
    found = list(complaints(view.get("blocks"), most=VIEW_BLOCKS))
    found += _length(view.get("private_metadata", ""), _VIEW_METADATA, "/view/private_metadata", least=0)
    found += _length(view.get("callback_id", ""), _VIEW_CALLBACK, "/view/callback_id", least=0)
    if kind == "modal":
        found += _text(view.get("title"), _VIEW_TITLE, "/view/title", kinds=("plain_text",))
        for name in ("submit", "close"):
            if name in view:
                found += _text(view[name], _VIEW_TITLE, f"/view/{name}", kinds=("plain_text",))
        blocks = view.get("blocks")
        fields = isinstance(blocks, Sequence) and any(
            isinstance(one, Mapping) and one.get("type") == "input" for one in blocks
        )
        if fields and "submit" not in view:
            found.append("missing required field: submit [json-pointer:/view/submit]")
    return tuple(found)


def characters(blocks: Sequence[Mapping[str, Any]]) -> int:
    """Return the size of all blocks together, as Slack counts it."""
    return len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":")))


def _block(block: object, at: str) -> Iterator[str]:
    if not isinstance(block, Mapping):
        yield f"must be an object [json-pointer:{at}]"
        return
    yield from _length(block.get("block_id", ""), _BLOCK_ID, f"{at}/block_id", least=0)
    yield from _known(block, ("type", "block_id"), at)
    match block.get("type"):
        case "header":
            yield from _text(block.get("text"), _HEADER_TEXT, f"{at}/text", kinds=("plain_text",))
        case "section":
            yield from _section(block, at)
        case "context":
            yield from _elements(block, at, _CONTEXT_ELEMENTS)
            for index, element in enumerate(block.get("elements") or ()):
                if isinstance(element, Mapping) and element.get("type") == "image":
                    yield from _image(element, f"{at}/elements/{index}")
                else:
                    yield from _text(element, _SECTION_TEXT, f"{at}/elements/{index}")
        case "actions":
            yield from _elements(block, at, _ACTIONS_ELEMENTS)
            elements = block.get("elements") or ()
            for index, element in enumerate(elements):
                yield from _element(element, f"{at}/elements/{index}")
            ids = [one.get("action_id") for one in elements if isinstance(one, Mapping)]
            if len(ids) != len(set(ids)):
                yield f"action_id must be unique in a block [json-pointer:{at}/elements]"
        case "input":
            yield from _text(block.get("label"), _FIELD_TEXT, f"{at}/label", kinds=("plain_text",))
            yield from _element(block.get("element"), f"{at}/element")
        case "divider":
            pass
        case "image":
            yield from _image(block, at)
        case "rich_text":
            yield from _elements(block, at, _RICH_ELEMENTS)
        case "markdown":
            yield from _length(block.get("text"), _MARKDOWN, f"{at}/text")
        case other:
            yield f"unsupported type: {other} [json-pointer:{at}/type]"


def _image(image: Mapping[str, Any], at: str) -> Iterator[str]:
    yield from _length(image.get("image_url"), _URL, f"{at}/image_url")
    yield from _length(image.get("alt_text"), _ALT_TEXT, f"{at}/alt_text")


def _section(block: Mapping[str, Any], at: str) -> Iterator[str]:
    if "text" not in block and not block.get("fields"):
        yield f"missing required field: text [json-pointer:{at}]"
    if "text" in block:
        yield from _text(block["text"], _SECTION_TEXT, f"{at}/text")
    fields = block.get("fields") or ()
    if len(fields) > _FIELDS:
        yield f"no more than {_FIELDS} items allowed [json-pointer:{at}/fields]"
    for index, field in enumerate(fields):
        yield from _text(field, _FIELD_TEXT, f"{at}/fields/{index}")
    accessory = block.get("accessory")
    if isinstance(accessory, Mapping) and accessory.get("type") == "image":
        yield from _image(accessory, f"{at}/accessory")
    elif accessory is not None:
        yield from _element(accessory, f"{at}/accessory")


def _elements(block: Mapping[str, Any], at: str, most: int) -> Iterator[str]:
    count = len(block.get("elements") or ())
    if not 1 <= count <= most:
        yield f"must have 1 to {most} items [json-pointer:{at}/elements]"


def _element(element: object, at: str) -> Iterator[str]:
    if not isinstance(element, Mapping):
        yield f"must be an object [json-pointer:{at}]"
        return
    yield from _length(element.get("action_id", ""), _ACTION_ID, f"{at}/action_id", least=0)
    yield from _known(element, ("type", "action_id"), at)
    if "confirm" in element:
        yield from _confirm(element["confirm"], f"{at}/confirm")
    match element.get("type"):
        case "button":
            yield from _text(element.get("text"), _BUTTON_TEXT, f"{at}/text", kinds=("plain_text",))
            yield from _length(element.get("value", ""), _BUTTON_VALUE, f"{at}/value", least=0)
            yield from _length(element.get("url", ""), _URL, f"{at}/url", least=0)
            yield from _length(
                element.get("accessibility_label", ""), _BUTTON_LABEL, f"{at}/accessibility_label", least=0
            )
            if "style" in element and element["style"] not in _STYLES:
                yield f"must be one of primary, danger [json-pointer:{at}/style]"
        case "static_select":
            if "placeholder" in element:
                yield from _text(element["placeholder"], _PLACEHOLDER, f"{at}/placeholder", kinds=("plain_text",))
            yield from options(element.get("options"), f"{at}/options")
            chosen = element.get("initial_option")
            if chosen is not None and chosen not in (element.get("options") or ()):
                yield f"must be one of the options [json-pointer:{at}/initial_option]"
        case "external_select":
            if "placeholder" in element:
                yield from _text(element["placeholder"], _PLACEHOLDER, f"{at}/placeholder", kinds=("plain_text",))
            if "options" in element:
                yield f"unexpected field [json-pointer:{at}/options]"
            if not isinstance(element.get("min_query_length", 3), int):
                yield f"must be an integer [json-pointer:{at}/min_query_length]"
            if "initial_option" in element:
                yield from options([element["initial_option"]], f"{at}/initial_option")
        case "plain_text_input":
            if "placeholder" in element:
                yield from _text(element["placeholder"], _PLACEHOLDER, f"{at}/placeholder", kinds=("plain_text",))
            if not 1 <= element.get("max_length", 1) <= _INPUT_LENGTH:
                yield f"must be 1 to {_INPUT_LENGTH} [json-pointer:{at}/max_length]"
        case "overflow" | "checkboxes" | "radio_buttons" as few:
            yield from options(element.get("options"), f"{at}/options", most=_FEW_OPTIONS[few])
        case "multi_static_select":
            yield from options(element.get("options"), f"{at}/options")
        case other if other in _PICKERS:
            if "placeholder" in element:
                yield from _text(element["placeholder"], _PLACEHOLDER, f"{at}/placeholder", kinds=("plain_text",))
        case other:
            yield f"unsupported type: {other} [json-pointer:{at}/type]"


def options(given: object, at: str, *, most: int = _OPTIONS) -> Iterator[str]:
    """Yield what Slack would refuse in the choices of a menu."""
    if not isinstance(given, Sequence) or not 1 <= len(given) <= most:
        yield f"must have 1 to {most} items [json-pointer:{at}]"
        return
    for index, option in enumerate(given):
        place = f"{at}/{index}"
        if not isinstance(option, Mapping):
            yield f"must be an object [json-pointer:{place}]"
            continue
        yield from _strangers(option, ("text", "value", "description", "url"), place)
        yield from _text(option.get("text"), _OPTION_TEXT, f"{place}/text")
        yield from _length(option.get("value"), _OPTION_VALUE, f"{place}/value")
        if "description" in option:
            yield from _text(option["description"], _OPTION_TEXT, f"{place}/description", kinds=("plain_text",))


def _confirm(confirm: object, at: str) -> Iterator[str]:
    if not isinstance(confirm, Mapping):
        yield f"must be an object [json-pointer:{at}]"
        return
    yield from _strangers(confirm, ("title", "text", "confirm", "deny", "style"), at)
    yield from _text(confirm.get("title"), _CONFIRM_TITLE, f"{at}/title", kinds=("plain_text",))
    yield from _text(confirm.get("text"), _CONFIRM_TEXT, f"{at}/text")
    yield from _text(confirm.get("confirm"), _CONFIRM_BUTTON, f"{at}/confirm", kinds=("plain_text",))
    yield from _text(confirm.get("deny"), _CONFIRM_BUTTON, f"{at}/deny", kinds=("plain_text",))


def _text(text: object, most: int, at: str, kinds: Sequence[str] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, Mapping):
        yield f"missing required field [json-pointer:{at}]"
        return
    yield from _strangers(text, ("type", "text", "emoji" if text.get("type") == "plain_text" else "verbatim"), at)
    if text.get("type") not in kinds:
        yield f"must be {' or '.join(kinds)} [json-pointer:{at}/type]"
    yield from _length(text.get("text"), most, f"{at}/text")


def _known(given: Mapping[str, Any], common: Sequence[str], at: str) -> Iterator[str]:
    fields = _FIELDS_OF.get(str(given.get("type")))
    if fields is not None:
        yield from _strangers(given, (*common, *fields), at)


def _strangers(given: Mapping[str, Any], allowed: Sequence[str], at: str) -> Iterator[str]:
    """Yield what the schema does not know: the real API refuses it, however harmless."""
    for name in given:
        if name not in allowed:
            yield f"invalid additional property: {name} [json-pointer:{at}]"


def _length(value: object, most: int, at: str, *, least: int = 1) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"must be a string [json-pointer:{at}]"
    elif len(value) < least:
        yield f"must be more than {least - 1} characters [json-pointer:{at}]"
    elif len(value) > most:
        yield f"must be less than {most + 1} characters [json-pointer:{at}]"
