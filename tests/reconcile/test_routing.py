"""Which apps a route is about."""

from __future__ import annotations

import pytest

from bot.model.announcement import News
from bot.reconcile.notify.routing import Route, Severity, severity


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        (Route(channel="C1"), True),
        (Route(channel="C1", apps=("*",), envs=("*",), clusters=("*",)), True),
        (Route(channel="C1", apps=("eu/shop",), envs=("production", "staging")), True),
        (Route(channel="C1", apps=("us/shop",)), False),
        (Route(channel="C1", envs=("staging",)), False),
        (Route(channel="C1", clusters=("us",)), False),
    ],
)
def test_route_names_apps_environments_and_clusters(route: Route, fits: bool) -> None:
    assert route.fits("shop", "eu", "production") is fits


@pytest.mark.parametrize("news", [News.APPROVED, News.REJECTED, News.EXPIRED])
def test_decisions_are_more_than_information_and_reach_people_in_quiet_hours(news: News) -> None:
    assert severity(news) is Severity.WARNING
