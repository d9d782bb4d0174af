"""Which apps a route is about."""

from __future__ import annotations

import pytest

from bot.reconcile.routing import Route


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
