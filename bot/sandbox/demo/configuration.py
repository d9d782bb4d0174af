"""The bot's configuration file in the demo, as a person would write it. Text, because the page shows it.

Pure: places and ports in, YAML out. The one thing that is not usual are the short intervals: a demo waits for nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bot.sandbox.demo import cast, story


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the bot finds everything; `path` is a folder in `repo_url` when that is a person's own repository."""

    kubeconfig: str
    repo_url: str
    web_url: str
    slack_api: str
    oncall: str
    port: int
    path: str = ""
    branch: str = "main"
    known_hosts: str = ""  # for a repository by ssh; the key is the agent's or the default one


def configuration(places: Places) -> str:
    """Return the whole file."""
    apps = _own(places.path) if places.path else _SHOP
    # The page shows the commits of the shop; those of a person's own repository are at their own host.
    web_url = "" if places.path else f"    web_url: {places.web_url}\n"
    hosts = f"    credentials: {{known_hosts_file: {places.known_hosts}}}\n" if places.known_hosts else ""
    return f"""\
# The bot's own configuration file: nothing in it knows that this is a demo.
instance: demo

clusters:
  - name: shop-eu
    kubeconfig: {places.kubeconfig}

repos:
  - name: fleet
    url: {places.repo_url}
    branch: {places.branch}
{web_url}{hosts}
{apps}
slack:
  mode: socket
  default_channel: {cast.DEPLOYS.id}   # #{cast.DEPLOYS.name}
  api_url: {places.slack_api}

oncall:
  provider: opsgenie
  host: {places.oncall}
  page_after: {{failures: 2, duration: 2m}}

permissions:                      # the first rule that matches decides; nobody matched: denied
  - {{verbs: [status, plan, history], users: ["*"]}}
  - {{verbs: ["*"], groups: [{cast.SRE}]}}   # {_names(cast.SRE)}
  # {_names(cast.PAYMENTS_TEAM)}:
  - {{verbs: ["*"], apps: [payments], groups: [{cast.PAYMENTS_TEAM}], channels: [{cast.PAYMENTS.id}]}}
  - {{verbs: [sync, pause, resume, keep], envs: [staging], users: [{cast.BOB.email}]}}

server: {{port: {places.port}}}
retry: {{first: 5s, factor: 1.5, max: 20s}}
"""


_PRODUCTION: Final = story.NAMESPACES[story.PRODUCTION]
_STAGING: Final = story.NAMESPACES[story.STAGING]
_SHOP: Final = f"""\
app_sets:                         # every folder that matches becomes an app
  - name: "{{basename}}"
    repo: fleet
    paths: {story.PRODUCTION}/*
    exclude: {story.PRODUCTION}/payments
    clusters: [shop-eu]
    namespace: {_PRODUCTION}
    env: {story.PRODUCTION}
    interval: 5s
    timeout: 45s
    oncall: {{priority: P2}}
  - name: "{{basename}}-staging"
    repo: fleet
    paths: {story.STAGING}/*
    clusters: [shop-eu]
    namespace: {_STAGING}
    env: {story.STAGING}
    self_heal: false              # people try things here: what they change by hand is asked about, not undone
    channel: {cast.STAGING.id}
    interval: 5s
    timeout: 45s

apps:
  - name: payments
    repo: fleet
    path: {story.PRODUCTION}/payments
    cluster: shop-eu
    namespace: {_PRODUCTION}
    env: {story.PRODUCTION}
    mode: approve                 # it moves money: nothing is applied before a person agrees to exactly that plan
    channel: {cast.PAYMENTS.id}
    interval: 5s
    timeout: 45s
    oncall: {{priority: P1}}
"""


def own_app(path: str) -> str:
    """Return what the bot calls the app in a folder of a person's own repository."""
    name = "".join(char if char.isalnum() else "-" for char in path.strip("/").rpartition("/")[2].lower()).strip("-")
    return name or "app"


def _own(path: str) -> str:
    return f"""\
apps:
  - name: {own_app(path)}
    repo: fleet
    path: {path}
    cluster: shop-eu
    env: {story.PRODUCTION}
    interval: 5s
    timeout: 2m
    oncall: {{priority: P2}}
"""


def _names(group: str) -> str:
    return ", ".join(user.real_name for user in cast.PEOPLE if user.id in cast.GROUPS[group])
