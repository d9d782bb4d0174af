"""Which apps the words of a person mean, where an app set is on several clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from bot.errors import NotThere
from bot.model.outcome import HealthState
from bot.model.record import SyncState
from bot.model.status import AppStatus
from bot.reconcile.desk.choosing import named, wanted
from tests.lines import standing
from tests.plan.world import APP

APPS: Final = {
    app.key: app
    for app in (
        replace(APP, name="shop", cluster="c1", env="staging", oncall_team="web"),
        replace(APP, name="shop", cluster="c2", env="production", oncall_team="web"),
        replace(APP, name="ship", cluster="c2", env="production", oncall_team="sea"),
        replace(APP, name="c2-base", cluster="c2", env="production", oncall_team=""),
    )
}
STATES: Final = {"c2/shop": SyncState.FAILED, "c2/ship": SyncState.WAITING_APPROVAL}
GONE: Final = standing("old", "c1", sync=SyncState.RELEASED, health=HealthState.UNKNOWN)
LINES: Final = (
    *(standing(app.name, app.cluster, app.env, sync=STATES.get(app.key, SyncState.SYNCED)) for app in APPS.values()),
    GONE,
)


def chosen(words: list[str]) -> list[AppStatus]:
    """Return the lines that words mean; what the configuration says of an app excludes none of them."""
    meant = wanted(APPS, words, dropped=[GONE])
    found = [one for one in LINES if meant.means(one, APPS.get(one.key))]
    assert all(meant.may_be(APPS[one.key]) for one in found if one.key in APPS)
    return found


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("", ["c1/shop", "c2/shop", "c2/ship", "c2/c2-base", "c1/old"]),
        ("shop", ["c1/shop", "c2/shop"]),
        ("c2/shop", ["c2/shop"]),
        ("sho", ["c1/shop", "c2/shop"]),
        ("shop ship", ["c1/shop", "c2/shop", "c2/ship"]),
        ("c2", ["c2/shop", "c2/ship", "c2/c2-base"]),
        ("c2-", ["c2/c2-base"]),
        ("Production", ["c2/shop", "c2/ship", "c2/c2-base"]),
        ("web", ["c1/shop", "c2/shop"]),
        ("failing", ["c2/shop"]),
        ("failed web", ["c2/shop"]),
        ("waiting-for-approval", ["c2/ship"]),
        ("shop production", ["c2/shop"]),
        ("web synced", ["c1/shop"]),
        ("released", ["c1/old"]),
        ("paused", []),
        ("ship failing", []),
        ("all", ["c1/shop", "c2/shop", "c2/ship", "c2/c2-base", "c1/old"]),
        ("cluster:c2", ["c2/shop", "c2/ship", "c2/c2-base"]),
        ("CLUSTER:C2 Env:Production team:web", ["c2/shop"]),
        ("app:shop", ["c1/shop", "c2/shop"]),
        ("shop cluster:c1", ["c1/shop"]),
        ("state:failing", ["c2/shop"]),
        ("state:synced env:staging", ["c1/shop"]),
        ("cluster:c1 cluster:c2", []),
    ],
)
def test_words_name_apps_or_are_true_of_them(words: str, keys: list[str]) -> None:
    assert [f"{one.cluster}/{one.app}" for one in chosen(words.split())] == keys


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("prodution", '"prodution" is no app, cluster, env, team or state, did you mean production?'),
        ("shpo", "did you mean shop?"),
        ("xyzzy", '"xyzzy" is no app, cluster, env, team or state$'),
        ("cluster:c3", '"c3" is no cluster; there is c1, c2$'),
        ("env:prodction", r'"prodction" is no env, did you mean production\?; there is production, staging$'),
        ("team:staging", '"staging" is no team'),
        ("clutser:c1", '"clutser:" is none of app:, cluster:, env:, state:, team:'),
        ("app:shpo", "did you mean shop"),
        ("sh", "sh can be c1/shop or c2/ship or c2/shop: write one of them"),
    ],
)
def test_word_that_is_nothing_says_what_could_be_meant(word: str, why: str) -> None:
    with pytest.raises(NotThere, match=why):
        chosen([word])


def test_beginning_of_a_commit_means_the_apps_that_are_at_it_or_on_their_way() -> None:
    """Whether a change is live is asked with its commit, which was said to be no app, cluster, env, team or state."""
    live, coming, other = "ab12cd3" + "0" * 33, "ab12cd4" + "0" * 33, "f" * 40
    lines = [
        standing("shop", "c1", revision=live, target_revision=live),
        standing("shop", "c2", revision=other, target_revision=live),
        standing("ship", "c2", revision=coming, target_revision=coming),
    ]
    meant = wanted(APPS, ["AB12CD3"])
    assert [one.key for one in lines if meant.means(one, None)] == ["c1/shop", "c2/shop"]
    assert [one.key for one in lines if wanted(APPS, ["c2", "ab12cd3"]).means(one, None)] == ["c2/shop"]


def test_what_the_configuration_says_is_enough_for_all_but_states() -> None:
    """Every app's line was worked out to find the ones of one cluster."""
    meant = wanted(APPS, ["cluster:c2", "web", "failing"])
    assert [key for key, app in APPS.items() if meant.may_be(app)] == ["c2/shop"]


def test_name_is_that_of_one_app_on_each_cluster() -> None:
    assert [app.key for app in named(APPS, "shop")] == ["c1/shop", "c2/shop"]
    assert [app.key for app in named(APPS, "shi")] == ["c2/ship"]
    with pytest.raises(NotThere, match=r'unknown app "shpo", did you mean shop\?'):
        named(APPS, "shpo")
    with pytest.raises(NotThere, match="sh can be"):
        named(APPS, "sh")
