"""What is wrong with anything the bot ever said in a workspace."""

from __future__ import annotations

import json

from bot.sandbox.slack import SlackWorkspace, limits

_SAID = frozenset({"chat.postMessage", "chat.update", "chat.postEphemeral", "response_url"})


def complaints(slack: SlackWorkspace) -> list[str]:
    """Return the messages without a sentence, and those over a limit of Slack."""
    found: list[str] = []
    for call in slack.calls():
        if call.method not in _SAID:
            continue
        text, blocks = call.arguments.get("text") or "", call.arguments.get("blocks") or []
        blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
        if not text.strip():
            found.append(f"{call.method} without a text: {blocks}")
        if len(text) > 4_000:
            found.append(f"{call.method} with a text of {len(text)} characters")
        if limits.characters(blocks) > limits.ALL_BLOCKS_CHARACTERS:
            found.append(f"{call.method} with {limits.characters(blocks)} characters of blocks")
        found += limits.complaints(blocks)
    return found
