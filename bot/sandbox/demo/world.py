"""Everything the demo is made of, started in the right order and ended without a trace.

One process holds the repository, the sandbox cluster, the workspace, the on-call desk and the page; the bot is its
only child. A person's own repository or cluster takes the place of ours when the options name one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bot.chat.verbs import VERBS
from bot.sandbox.connections import ReservedPort
from bot.sandbox.demo import cast, cluster, mischief, own, story, tour
from bot.sandbox.demo.cluster import ClusterDoor, KubeconfigDoor, TokenDoor, Unreachable
from bot.sandbox.demo.configuration import Places, configuration, own_app
from bot.sandbox.demo.mischief.commits import MISSING_IMAGE
from bot.sandbox.demo.office import Office
from bot.sandbox.demo.process import BotProcess, shell
from bot.sandbox.demo.repository import Repository
from bot.sandbox.demo.stream import Feed, Pulse
from bot.sandbox.oncall import OncallService
from bot.sandbox.slack import SlackWorkspace

if TYPE_CHECKING:
    from bot.sandbox.kube import KubeSandbox

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5  # how often the repository's branches and the bot's health are looked at
_WEBHOOK_SECRET: Final = "sandbox-webhook-secret"
# kubectl opens no WebSocket to a URL with a password, as the sandbox's is; the older way it hears the server's error.
_KUBECTL: Final = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
_ONCALL_KEY: Final = "sandbox-oncall-key"
_BOT_NAMESPACE: Final = "gitops-bot"  # the configuration names no other
_COMMITS: Final = 80
_ANSWER_WITHIN: Final = timedelta(seconds=15)  # a laptop runs the cluster, Slack and the page beside the bot


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `demo` was asked for; "" is our own."""

    repo_url: str = ""
    path: str = ""
    branch: str = "main"
    kubeconfig: str = ""


class World:
    """`start` once with the page's address, `stop` once."""

    def __init__(self, options: Options, *, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.pulse = Pulse()
        self.slack = SlackWorkspace(
            users=cast.PEOPLE, channels=cast.CHANNELS, groups=cast.GROUPS, answer_within=_ANSWER_WITHIN
        )
        self.oncall = OncallService(keys=frozenset({_ONCALL_KEY}), webhook_secret=_WEBHOOK_SECRET)
        self.kube = None if options.kubeconfig else _sandbox()
        self.repository = None if options.repo_url else Repository(folder / "fleet.git")
        self.office = Office(self.slack)
        self.door: ClusterDoor
        self.stage: mischief.Stage
        self.configuration = ""
        self._bot: BotProcess
        self._port = 0
        self._done: set[str] = set()
        self._health: Mapping[str, object] = {"status": "starting"}
        self._tree: list[dict[str, Any]] = []  # as it was seen last, at `_seen_at` (seconds since 1970)
        self._seen_at = 0.0
        self._turn = threading.Lock()
        self._leaving = threading.Event()
        self._parts = ExitStack()

    def start(self, page_url: str) -> None:
        """Start everything. What has started is stopped by `stop` even when this raises: `UsageError` for what is
        a person's own and cannot be used.

        The bot takes longest to come up: it is started as soon as all it needs has an address, and waits for the API
        server's first answer while that is being furnished.
        """
        if self.repository is not None:
            self.repository.begin(story.history(datetime.now(UTC)))
        else:
            asked, cache = self.options, self.folder / ".gitops-bot-cache"
            own.look_at_repository(asked.repo_url, branch=asked.branch, path=asked.path, cache=cache)
        self.slack.start()
        self._parts.callback(self.slack.stop)
        self.oncall.start()
        self._parts.callback(self.oncall.stop)
        kubeconfig = self._cluster()
        self._start_bot(kubeconfig, page_url)
        if self.kube is not None:
            self.kube.start()
        self.stage = mischief.Stage(
            slack=self.slack,
            oncall=self.oncall,
            repository=self.repository,
            cluster=self.door if self.kube is not None else None,
            kube=self.kube,
        )
        for name, work in (("watch", self._watch), ("slack", self._hear_slack), ("oncall", self._hear_oncall)):
            thread = threading.Thread(target=work, name=f"demo-{name}")
            thread.start()
            self._parts.callback(thread.join)
        self._parts.callback(self._leave)

    def stop(self) -> None:
        """End the bot and everything else, in reverse. Idempotent."""
        self.pulse.end()
        self._parts.close()

    @property
    def bot_ended(self) -> bool:
        """Tell whether the bot has left although nobody asked it to."""
        return self._health["status"] == "ended"

    def last_words(self) -> str:
        return self._bot.last_words()

    @property
    def files(self) -> tuple[str, ...]:
        """Return what a person finds in the folder."""
        own = [*(["kubeconfig"] if self.kube else []), *(["fleet.git"] if self.repository else [])]
        return ("gitops-bot.yaml", "bot.env", "bot.log", *own)

    # What the page shows

    def feed(self) -> Feed:
        return Feed(self.pulse, self.slack, self.oncall, self._hello, self._world)

    def commits(self) -> dict[str, Any]:
        """Return the history, and which app is at which commit."""
        found = self.repository.log(limit=_COMMITS) if self.repository is not None else ()
        return {"commits": found, "apps": self._apps()}

    def cluster(self) -> dict[str, Any]:
        """Return every app's objects on the cluster and what the bot says of it.

        While the API server does not answer these are the objects that were seen last, with the time and the reason.
        """
        missing: dict[str, Any] = {}
        try:
            self._see()
        except Unreachable as error:
            missing = {"unreachable": str(error), "at": self._seen_at}
        found = {one["app"]: one["objects"] for one in self._tree}
        states = {one["app"]: one for one in self._apps()}
        names = sorted({*found, *states})
        apps = [{"app": name, "objects": found.get(name, []), "state": states.get(name)} for name in names]
        return {"apps": apps, **missing}

    def _hello(self) -> dict[str, Any]:
        return {
            "users": [
                {"id": one.id, "name": one.name, "real_name": one.real_name, "role": cast.ROLES[one.id]}
                for one in cast.PEOPLE
            ],
            "bot": self.slack.state.bot_user,
            "channels": [{"id": one.id, "name": one.name} for one in cast.CHANNELS],
            "groups": [{"id": id, "name": id.removeprefix("S0").lower()} for id in cast.GROUPS],
            "apps": self._app_names(),
            "verbs": [
                {
                    "verb": verb,
                    "usage": f"/gitops {one.form}",
                    "app": "app" in one.form,
                    "commit": "[commit]" in one.form,
                }
                for verb, one in VERBS.items()
            ],
            "tour": tour.view(self.stage),
            "mischief": [
                {
                    "id": one.id,
                    "group": one.group.value,
                    "title": one.title,
                    "text": one.text,
                    "undo": one.undo_title,
                }
                for one in mischief.ALL
                if one.needs(self.stage)
            ],
            "configuration": self.configuration,
            "folder": str(self.folder),
            "bot_url": f"http://127.0.0.1:{self._port}",
            "stand_ins": {"Slack": self.slack.url, "On-call": self.oncall.url, **self._kube_url()},
            "own": {"repo": self.repository is None, "cluster": self.kube is None},
        }

    def _world(self) -> dict[str, Any]:
        facts = tour.Facts(slack=self.slack, done=frozenset(self._done), alerts=tuple(self.oncall.alerts))
        return {
            "health": self._health,
            "on": [one.id for one in mischief.ALL if one.is_on(self.stage)],
            "done": [step.id for step in tour.steps(self.stage) if step.done(facts)],
            "head": self.repository.head()[:7] if self.repository is not None else "",
        }

    def _app_names(self) -> list[str]:
        if self.options.repo_url:
            return [own_app(self.options.path)]
        return [story.app_name(app, env) for env in story.ENVIRONMENTS for app in story.APPS]

    def _apps(self) -> list[dict[str, str]]:
        """Return what the bot's own metrics say of each app."""
        lines = self._bot.get("/metrics").decode().splitlines()
        return [labels for line in lines if (labels := _labels(line, "gitops_bot_app_info"))]

    # What the page asks for

    def act(self, verb: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Do something in the workspace. Raises `office.Misuse`."""
        if verb == "say" and str(said.get("text", "")).startswith("/gitops"):
            self._done.add("command")
        return self.office.do(verb, said)

    def mischief(self, id: str, *, undo: bool) -> str:
        """Do or undo one mischief; returns a sentence. Raises `mischief.Impossible`."""
        one = next((one for one in mischief.ALL if one.id == id), None)
        if one is None or not one.needs(self.stage):
            raise mischief.Impossible("There is no such mischief here.")
        with self._turn:  # two pages may press at once
            if one.group is mischief.Group.OUTAGE:
                self._remember()
            said = one.undo(self.stage) if undo and one.undo is not None else one.do(self.stage)
        self._done.add(id)
        self.pulse.beat()
        return said

    def merge(self, branch: str) -> str:
        """Merge a branch into main, as people do at a Git host. Raises `mischief.Impossible`."""
        try:
            with self._turn:
                made = self.stage.repo().merge(branch, cast.author(cast.ANA), at=datetime.now(UTC))
        except LookupError as error:
            raise mischief.Impossible(str(error)) from error
        self.pulse.beat()
        return f"{branch} is merged: main is at {made[:7]}."

    def settle(self, number: int, action: str, user: str) -> bool:
        """Acknowledge or close an alert as a person."""
        who = next((one.email for one in cast.PEOPLE if one.id == user), user)
        act = self.oncall.close if action == "close" else self.oncall.acknowledge
        return act(number, who)

    # Inside

    def _see(self) -> None:
        self._tree = cluster.tree(self.door)
        self._seen_at = time.time()

    def _remember(self) -> None:
        """Look once more before an outage, so that the page has something to show while it lasts."""
        with suppress(Unreachable):
            self._see()

    def _cluster(self) -> str:
        """Return the kubeconfig of a cluster that has the shop's namespaces, or will have by its first answer."""
        if self.kube is None:
            self.door = KubeconfigDoor(self.options.kubeconfig)
            own.look_at_cluster(self.door)
            if self.repository is not None:
                self._make_namespaces()
            return self.options.kubeconfig
        file = self.folder / "kubeconfig"
        self.kube.listen()
        self._parts.callback(self.kube.stop)
        file.write_text(self.kube.kubeconfig(), encoding="utf-8")
        self.door = TokenDoor(file)
        return str(file)

    def _make_namespaces(self) -> None:
        """Make what the shop and the bot's inventories stand in; clear away at the end what was not there before."""
        for name in (*story.NAMESPACES.values(), _BOT_NAMESPACE):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            if self.door.request("POST", "/api/v1/namespaces", body=body).status == HTTPStatus.CREATED:
                self._parts.callback(self._delete_namespace, name)

    def _delete_namespace(self, name: str) -> None:
        try:
            self.door.request("DELETE", f"/api/v1/namespaces/{name}")
        except Unreachable as error:
            log.error("the namespace %s stays in your cluster: %s", name, error)

    def _start_bot(self, kubeconfig: str, page_url: str) -> None:
        reserved = ReservedPort()  # kept while the bot starts and starts again
        self._parts.callback(reserved.close)
        self._port = reserved.number
        self.oncall.webhook_url = f"http://127.0.0.1:{self._port}/webhooks/oncall"
        self.configuration = configuration(
            Places(
                kubeconfig=kubeconfig,
                repo_url=self.options.repo_url or str(self.folder / "fleet.git"),
                web_url=f"{page_url}/fleet",
                slack_api=self.slack.api_url,
                oncall=self.oncall.url,
                port=self._port,
                path=self.options.path if self.options.repo_url else "",
                branch=self.options.branch,
                known_hosts=own.known_hosts(self.options.repo_url) if self.options.repo_url else "",
            )
        )
        file = self.folder / "gitops-bot.yaml"
        file.write_text(self.configuration, encoding="utf-8")
        secrets = {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "OPSGENIE_API_KEY": _ONCALL_KEY,
            "WEBHOOK_SECRET": _WEBHOOK_SECRET,
            "ONCALL_WEBHOOK_SECRET": _WEBHOOK_SECRET,
        }
        settings = {**secrets, "GITOPS_BOT_CONFIG": str(file), "KUBECONFIG": kubeconfig}
        (self.folder / "bot.env").write_text(shell({**settings, **_KUBECTL}), encoding="utf-8")
        self._bot = BotProcess(file, log=self.folder / "bot.log", port=self._port, secrets=secrets)
        self._parts.callback(self._bot.stop)
        self._bot.start()

    def _kube_url(self) -> dict[str, str]:
        return {"API server": self.kube.url} if self.kube is not None else {}

    def _leave(self) -> None:
        self._leaving.set()
        if self.kube is not None:
            self.kube.heal()  # the bot ends what it has begun: it would wait for a slow API server
        for changed in (self.slack.state.changed, self.oncall.changed):
            with changed:
                changed.notify_all()

    def _watch(self) -> None:
        """Look at branches and health; a branch that moved is told to the bot as a Git host tells it."""
        stamp = self.repository.stamp() if self.repository is not None else ""
        while not self._leaving.wait(LOOK_SECONDS):
            health = self._bot.health()
            if health != self._health:
                self._health = health
                self.pulse.beat()
            if self.repository is not None and (now := self.repository.stamp()) != stamp:
                stamp = now
                self._push_event(self.repository.head())
                self.pulse.beat()
            self.office.retry()

    def _push_event(self, commit: str) -> None:
        body = json.dumps({"ref": "refs/heads/main", "after": commit}).encode()
        signature = hmac.new(_WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-GitHub-Event": "push"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/webhooks/git/fleet",
            data=body,
            headers={**headers, "X-Hub-Signature-256": f"sha256={signature}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError as error:
            # As with a real host: the bot's own interval finds the commit anyway.
            log.info("the bot did not take the push event: %s", error)

    def _hear_slack(self) -> None:
        self._hear(self.slack.state.changed)

    def _hear_oncall(self) -> None:
        self._hear(self.oncall.changed)

    def _hear(self, changed: threading.Condition) -> None:
        with changed:
            while not self._leaving.is_set():
                changed.wait()
                self.pulse.beat()


def _sandbox() -> KubeSandbox:
    from bot.sandbox.kube import KubeSandbox  # imported late: a cluster of one's own needs none of it
    from bot.sandbox.kube.controllers.images import DEFAULT_RULES, Fate, Images

    images = Images(rules=((MISSING_IMAGE, Fate.CANNOT_PULL), *DEFAULT_RULES))
    return KubeSandbox(images=images, namespaces=tuple(story.NAMESPACES.values()))


def _labels(line: str, metric: str) -> dict[str, str]:
    """Return the labels of one sample of a metric, {} for any other line."""
    if not line.startswith(f"{metric}{{"):
        return {}
    pairs = (pair.partition("=") for pair in line[len(metric) + 1 : line.index("}")].split(","))
    return {name: value.strip('"') for name, _, value in pairs}
