"""What a probe hears of many apps in trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.cli.doors import failing_apps
from bot.model.record import AppMemory

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_health_names_the_first_apps_that_failed_and_counts_the_others() -> None:
    """Each of three hundred failing apps was a part: 9 KiB every few seconds."""
    failing = [
        AppMemory(app=f"prod/app-{number:03}", failing_since=NOW + timedelta(seconds=number)) for number in range(300)
    ]
    parts = failing_apps([AppMemory(app="prod/well"), *reversed(failing)])
    assert parts == {f"app prod/app-{number:03}": "failing" for number in range(10)} | {"further apps": "290 failing"}
    assert failing_apps([AppMemory(app="prod/well"), *failing[:10]]) == {
        f"app prod/app-{number:03}": "failing" for number in range(10)
    }
