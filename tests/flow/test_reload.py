"""The configuration file while the bot runs: a valid one is taken up, a broken one is named and changes nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.flow.bot_process import BotProcess
from tests.launch import executed
from tests.source.upstream import Upstream
from tests.waiting import until

TEXT = """\
clusters: [{name: prod, kubeconfig: nowhere.yaml}]
repos: [{name: fleet, url: fleet.git}]
apps:
  - {name: shop, repo: fleet, path: apps/shop, cluster: prod}
"""


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[BotProcess]:
    Upstream(tmp_path / "fleet.git").commit({"apps/shop/a.yaml": "# nothing yet\n"})
    with closing(BotProcess(tmp_path, TEXT, {}, launch=executed)) as process:
        process.start()
        yield process


def apps(bot: BotProcess) -> set[str]:
    """Return the apps the bot measures."""
    text = bot.metrics()
    return {name for name in ("shop", "store") if f'gitops_bot_app_objects{{app="{name}"' in text}


def write(bot: BotProcess, text: str) -> None:
    bot.configure(lambda _: text + f"server: {{port: {bot.port}}}\n")


def test_valid_file_is_taken_up_by_itself_and_a_broken_one_is_named(bot: BotProcess) -> None:
    assert apps(bot) == {"shop"}
    write(bot, TEXT.replace("cluster: prod", "cluster: prd"))
    until(lambda: "the new configuration is not used" in bot.log(), "the broken file is named")
    assert "there is no cluster prd: did you mean prod?" in bot.log()
    assert apps(bot) == {"shop"}
    assert "problems in the new configuration" in bot.health()["parts"]["configuration"]
    write(bot, TEXT + "  - {name: store, repo: fleet, path: apps/store, cluster: prod}\n")
    until(lambda: apps(bot) == {"shop", "store"}, "the new app is there")
    assert bot.stop() == 0


def test_hangup_takes_up_the_file_and_its_secrets(bot: BotProcess) -> None:
    bot.hang_up()
    until(lambda: "takes up its new configuration" in bot.log(), "the signal is heard")
    until(lambda: apps(bot) == {"shop"}, "the bot is there again")
    assert bot.stop() == 0


def test_port_in_use_refuses_the_new_configuration_and_the_old_one_goes_on(bot: BotProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        bot.configure(lambda text: text.replace(f"port: {bot.port}", f"port: {number}"))
        until(lambda: "the new configuration is not used" in bot.log(), "the port is refused")
        assert f"HTTP cannot be served at 127.0.0.1:{number}: Address already in use" in bot.log()
        assert "Address already in use" in bot.health()["parts"]["configuration"]
        assert apps(bot) == {"shop"}
    bot.hang_up()
    until(lambda: "takes up its new configuration" in bot.log(), "the port is free by now")
    assert bot.stop() == 0


def test_no_request_is_refused_while_a_configuration_takes_over(bot: BotProcess) -> None:
    """The port was given up and taken again: a push of that moment was heard by nobody, and a probe failed."""
    write(bot, TEXT + "  - {name: store, repo: fleet, path: apps/store, cluster: prod}\n")
    refused: list[OSError] = []

    def taken_up() -> bool:
        try:
            return 'app="store"' in bot.metrics()
        except OSError as error:
            refused.append(error)
            return False

    until(taken_up, "the new app is there")
    assert not refused
    assert bot.stop() == 0
