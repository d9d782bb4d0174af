"""How each situation reads, on a phone and aloud; a change of words is reviewed as code."""

from __future__ import annotations

import pytest

from bot.chat import kit
from bot.chat.blocks import attachment, render
from bot.sandbox.slack import limits
from tests import golden
from tests.chat.reading import as_read, without_icons
from tests.chat.situations import SITUATIONS


@pytest.mark.parametrize("situation", SITUATIONS)
def test_message_reads_as_reviewed(situation: str, write_golden: bool) -> None:
    news = SITUATIONS[situation]
    message = render(news, author="U0ANA")
    assert limits.complaints(list(message.blocks)) == ()
    assert limits.characters(message.blocks) < limits.ALL_BLOCKS_CHARACTERS
    text = as_read(message.text, message.blocks)
    file = attachment(news)
    if file is not None:
        text += f"\nfile {file.name}: {file.title}, {len(file.content.splitlines())} lines\n"
    golden.check(f"chat/{situation}.txt", text, write=write_golden)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_state_is_read_without_icons(situation: str) -> None:
    """Colour-blind people, screen readers and terminals see the same state."""
    news = SITUATIONS[situation]
    message = render(news)
    plain = without_icons(as_read(message.text, message.blocks))
    word = message.text.partition(":")[0]
    assert plain.count(word) >= 2  # in the notification and in the blocks
    assert news.app in plain


@pytest.mark.parametrize("situation", [name for name, news in SITUATIONS.items() if news.next_step])
def test_sentence_alone_says_what_to_do_next(situation: str) -> None:
    """Screen readers and notifications have the sentence and nothing else."""
    news = SITUATIONS[situation]
    assert f"Next: {kit.spoken(news.next_step).removesuffix('.')}" in render(news).text
