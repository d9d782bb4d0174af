"""The shop's fleet in Git: six apps in two environments, and how they came to be what they are.

An app is a template below `fleet/` and its facts (image tag, replicas, …) in each environment; a commit changes facts
or text, by somebody, some days ago. Pure: times are arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from string import Template
from typing import Final

from bot.sandbox.demo import cast
from bot.sandbox.demo.repository import NewCommit
from bot.sandbox.slack.values import User

PRODUCTION: Final = "production"
STAGING: Final = "staging"
ENVIRONMENTS: Final = (PRODUCTION, STAGING)
APPS: Final = ("web", "catalog", "cart", "payments", "orders", "search")
NAMESPACES: Final = {PRODUCTION: "shop", STAGING: "shop-staging"}

Facts = Mapping[str, str]

_FIRST: Final[Mapping[str, Facts]] = {
    "web": {"tag": "2.12.0", "replicas": "2", "memory": "128Mi", "banner": "Welcome", "log_level": "info"},
    "catalog": {"tag": "3.6.2", "replicas": "1", "memory": "256Mi", "log_level": "info", "page_size": "24"},
    "cart": {"tag": "1.9.0", "replicas": "1", "memory": "128Mi", "session_ttl": "30m"},
    "payments": {"tag": "4.1.0", "replicas": "2", "memory": "256Mi", "provider": "sandbox", "revision": "1"},
    "orders": {"tag": "0.30.1", "replicas": "1", "memory": "256Mi"},
    "search": {"tag": "8.15.0", "replicas": "1", "memory": "512Mi"},
}
_ONLY: Final[Mapping[str, Facts]] = {
    PRODUCTION: {"host": "shop.example"},
    STAGING: {"host": "staging.shop.example", "replicas": "1"},
}
_README: Final = """# fleet

What runs in the shop, as Kubernetes manifests: `<environment>/<app>/`. A merge to `main` is a deployment.

| app | what it does | team |
|---|---|---|
| web | the storefront | web |
| catalog | products and prices | catalog |
| cart | what people are about to buy | checkout |
| payments | takes the money | payments |
| orders | what people bought, and the nightly report | checkout |
| search | finds products | catalog |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One commit of the history: facts of an app that change in these environments."""

    who: User
    days_ago: float
    message: str
    app: str
    facts: Facts
    where: Sequence[str] = ENVIRONMENTS


_HISTORY: Final = (
    _Step(who=cast.ANA, days_ago=33.2, message="Add web, the storefront", app="web", facts={}),
    _Step(who=cast.BOB, days_ago=31.1, message="Add catalog", app="catalog", facts={}),
    _Step(who=cast.BOB, days_ago=30.6, message="Add cart", app="cart", facts={}),
    _Step(who=cast.CHLOE, days_ago=27.4, message="Add payments, behind a disruption budget", app="payments", facts={}),
    _Step(who=cast.DEV, days_ago=24.0, message="Add orders and its nightly report", app="orders", facts={}),
    _Step(who=cast.BOB, days_ago=20.3, message="Add search", app="search", facts={}),
    _Step(
        who=cast.BOB,
        days_ago=16.8,
        message="web 2.13.0: product pages load in one request",
        app="web",
        facts={"tag": "2.13.0"},
        where=(STAGING,),
    ),
    _Step(
        who=cast.ANA,
        days_ago=15.9,
        message="web 2.13.0 to production",
        app="web",
        facts={"tag": "2.13.0"},
        where=(PRODUCTION,),
    ),
    _Step(
        who=cast.DEV,
        days_ago=11.5,
        message="Give payments the memory it asks for\n\nIt was killed twice during the sale.",
        app="payments",
        facts={"memory": "384Mi"},
        where=(PRODUCTION,),
    ),
    _Step(
        who=cast.CHLOE,
        days_ago=8.2,
        message="payments 4.2.1: retry declined cards once",
        app="payments",
        facts={"tag": "4.2.1"},
    ),
    _Step(
        who=cast.BOB,
        days_ago=4.7,
        message="catalog 3.7.0: prices with currency",
        app="catalog",
        facts={"tag": "3.7.0"},
    ),
    _Step(
        who=cast.EVE,
        days_ago=2.1,
        message="Say that the winter sale is on",
        app="web",
        facts={"banner": "Winter sale: 20 % off coats"},
        where=(PRODUCTION,),
    ),
    _Step(
        who=cast.BOB,
        days_ago=0.3,
        message="web 2.14.0: smaller images on phones",
        app="web",
        facts={"tag": "2.14.0"},
    ),
)


def history(now: datetime) -> Iterator[NewCommit]:
    """Yield the commits of the shop's first month, oldest first; the last one is some hours old."""
    facts: dict[tuple[str, str], Facts] = {}
    began = now - timedelta(days=33.3)
    yield NewCommit(author=cast.author(cast.ANA), at=began, message="Begin", files={"README.md": _README})
    for step in _HISTORY:
        files: dict[str, str | None] = {}
        for env in step.where:
            known = facts.get((env, step.app)) or {**_FIRST[step.app], **_ONLY[env]}
            facts[env, step.app] = {**known, **step.facts}
            files |= manifests(step.app, env, facts[env, step.app])
        at = now - timedelta(days=step.days_ago)
        yield NewCommit(author=cast.author(step.who), at=at, message=step.message, files=files)


def manifests(app: str, env: str, facts: Facts) -> dict[str, str]:
    """Return an app's files in one environment."""
    text = (resources.files(__package__) / "fleet" / f"{app}.yaml").read_text(encoding="utf-8")
    parts = Template(text).substitute(facts).split("# file: ")[1:]
    found = (part.partition("\n") for part in parts)
    return {f"{env}/{app}/{name}": body for name, _, body in found}


def app_name(app: str, env: str) -> str:
    """Return what the bot calls an app in one environment."""
    return app if env == PRODUCTION else f"{app}-{env}"
