"""Where the tests' chance comes from: the same in each run, so that a change breaks a test and not the day.

`GITOPS_BOT_SEED=random` draws anew (`make explore`), a number repeats what was drawn.
"""

from __future__ import annotations

import os
import random
from typing import Final

_SAID: Final = os.environ.get("GITOPS_BOT_SEED", "1")
EXPLORES: Final = _SAID == "random"


def draw_seed() -> int:
    """Return the seed of one run, to be named by what fails."""
    return random.SystemRandom().randrange(1, 2**32) if EXPLORES else int(_SAID)
