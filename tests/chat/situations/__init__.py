"""One announcement for each situation people meet; golden files show how it reads."""

from typing import Final

from bot.model.announcement import Announcement
from tests.chat.situations.decisions import DECISIONS
from tests.chat.situations.drift import DRIFT
from tests.chat.situations.orders import ORDERS
from tests.chat.situations.pages import PAGES
from tests.chat.situations.rollouts import ROLLOUTS
from tests.chat.situations.syncs import SYNCS
from tests.chat.situations.trouble import TROUBLE

SITUATIONS: Final[dict[str, Announcement]] = {**ROLLOUTS, **SYNCS, **DRIFT, **TROUBLE, **DECISIONS, **PAGES, **ORDERS}
