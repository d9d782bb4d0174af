"""Waiting for what other threads and processes bring about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

PATIENCE_SECONDS: Final = 60.0  # of a busy machine; nothing that works takes as long
_LOOK_AGAIN_SECONDS: Final = 0.05


def until(look: Callable[[], Any], what: str = "it came true", *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Look at the world until the answer is true; return it. Fails after `seconds`, saying `what` never came."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(_LOOK_AGAIN_SECONDS)
    return answer
