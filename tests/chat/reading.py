"""A message as a person reads it on a phone or hears it: text in, lines out. Golden files are written in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Block = Mapping[str, Any]


def as_read(text: str, blocks: Sequence[Block]) -> str:
    """Return the sentence of the notification, then each block in order."""
    lines = [f"notification: {text}", ""]
    for block in blocks:
        lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def without_icons(text: str) -> str:
    """Return text with emoji names and pictures gone, as with icons switched off."""
    return re.sub(r":[a-z_]+:|[\U0001F300-\U0001FAFF\u2600-\u27BF]", "", text)


def _block(block: Block) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield f"# {block['text']['text']}"
        case "section":
            if "text" in block:
                yield from block["text"]["text"].splitlines()
            for field in block.get("fields") or ():
                title, _, text = field["text"].partition("\n")
                yield f"{title:<14} {text}"
            if "accessory" in block:
                yield from _element(block["accessory"])
        case "actions":
            for element in block["elements"]:
                yield from _element(element)
        case "context":
            yield "(" + " ".join(element["text"] for element in block["elements"]) + ")"
        case "input":
            yield f"{block['label']['text']}:"
            yield from _element(block["element"])
        case "divider":
            yield "---"


def _element(element: Block) -> Iterator[str]:
    if element["type"] != "button":
        yield f"<{element['type']} {element['action_id']}: {(element.get('placeholder') or {}).get('text', '')}>"
        yield from (f"    {one['text']['text']}" for one in element.get("options") or ())
        return
    style = f" {element['style']}" if "style" in element else ""
    yield f"[{element['text']['text']}]{style}  {element['action_id']} {element['value']}"
    if element.get("accessibility_label") != element["text"]["text"]:
        yield f"    says: {element['accessibility_label']}"
    if "confirm" in element:
        dialog = element["confirm"]
        yield f"    asks: {dialog['title']['text']} {dialog['text']['text']} {dialog['confirm']['text']} / Cancel"
