"""What the bot says as it starts, and when it cannot."""

from __future__ import annotations

from collections.abc import Callable

from tests.flow.office import Office


def test_start_warns_of_nothing_and_a_second_bot_hears_what_is_in_its_way(offices: Callable[..., Office]) -> None:
    """Bolt warned twice at each start of what is meant; a port in use was an "unexpected OSError"."""
    office = offices()
    office.open()
    assert " WARNING bot.chat" not in office.bot.log()
    code, text = office.bot.run("run")
    assert code == 64
    assert text == (
        f"server: HTTP cannot be served at 127.0.0.1:{office.bot.port}: Address already in use; "
        "end what listens there, or choose others with `server.host` and `server.port` (PORT wins)\n"
    )
