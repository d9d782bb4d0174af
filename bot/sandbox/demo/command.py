"""`gitops-bot demo`: the world from start to Ctrl-C, told in the terminal."""

from __future__ import annotations

import os
import signal
import sys
import threading
import webbrowser
from contextlib import suppress
from typing import Final, TextIO

from bot.errors import UsageError
from bot.sandbox.demo.leftovers import demo_folder
from bot.sandbox.demo.page_server import PageServer
from bot.sandbox.demo.world import Options, World

PORT: Final = 8420  # any other is taken when somebody else has it
_LOOK_SECONDS: Final = 0.5


def demo(options: Options, *, port: int | None, browser: bool, out: TextIO) -> int:
    """Run until SIGINT, SIGTERM or SIGHUP; 1 when the bot ends by itself.

    Raises `UsageError` for a port in use, and for a repository or a cluster that cannot be used.
    """
    leaving = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: leaving.set())
    try:
        server = _bound(port)
    except OSError as error:
        raise UsageError(f"--port {port}: {error.strerror}") from error
    with demo_folder() as folder:
        world = World(options, folder=folder)
        try:
            world.start(server.url)
            server.start(world)
            if not leaving.is_set():
                out.write(
                    f"The demo is at  {server.url}\n"
                    f"Its files are in  {folder}  ({', '.join(world.files)})\n"
                    "Ctrl-C ends it and leaves nothing behind.\n"
                )
                out.flush()
                if browser and _has_display():
                    webbrowser.open(server.url)
            while not leaving.wait(_LOOK_SECONDS):
                if world.bot_ended:
                    sys.stderr.write(f"gitops-bot: the bot has ended by itself:\n{world.last_words()}\n")
                    return 1
            _say_goodbye(out)
        finally:
            world.stop()
            server.stop()
    return 0


def _say_goodbye(out: TextIO) -> None:
    """Say that it is ending: the bot finishes what it is at. After SIGHUP there may be nobody to hear it."""
    with suppress(OSError):
        out.write("Stopping…\n")
        out.flush()


def _bound(port: int | None) -> PageServer:
    """Return a server on the port asked for, or on a free one. Raises OSError where the one asked for is taken."""
    if port is not None:
        return PageServer(port)
    try:
        return PageServer(PORT)
    except OSError:
        return PageServer(0)


def _has_display() -> bool:
    """Tell whether a browser would be a window: in a bare terminal it would take the terminal over."""
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
