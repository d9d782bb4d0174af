"""Ports of loopback that are one server's alone."""

from __future__ import annotations

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"


class ReservedPort:
    """A port that nobody else is given until `close`; a server may listen on it meanwhile, as often as it wants.

    One that is only asked for and let go may be another's by the time its server has started. Linux: a socket that is
    bound and silent keeps a port out of what `bind` to 0 finds, and stands in the way of none that sets SO_REUSEADDR,
    as servers do.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, 0))
        self.number = int(self._socket.getsockname()[1])

    def is_served(self) -> bool:
        """Tell whether somebody takes connections on it."""
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.number)) == 0

    def close(self) -> None:
        self._socket.close()
