"""Exit statuses that several commands share; README has them all."""

from typing import Final

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 64  # EX_USAGE of sysexits.h
