"""One-click mischief: what a person can do to the world to see how the bot takes it.

Each is a small function over a `Stage`; what can be ended again (an outage, a bad commit) knows how. Nothing here
talks to the bot.
"""

from typing import Final

from bot.sandbox.demo.mischief import commits, hands, outages
from bot.sandbox.demo.mischief.stage import Group, Impossible, Mischief, Stage

__all__ = ["ALL", "Group", "Impossible", "Mischief", "Stage"]

ALL: Final = (*commits.ALL, *hands.ALL, *outages.ALL)
