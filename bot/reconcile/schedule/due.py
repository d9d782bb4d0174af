"""What is said because its time has come: nobody has ordered it."""

from __future__ import annotations

import secrets
from datetime import datetime

from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.control import Via
from bot.reconcile.notify.news import operation_at
from bot.reconcile.orders import commands


def announced(app: AppSpec, news: News, *, now: datetime) -> Announcement:
    """Return news of an app in a root message of its own."""
    clock = commands.Person(who="", via=Via.SCHEDULE, at=now, order=operation_at(now, secrets.token_hex(3)))
    return commands.announcement(app, clock, news)
