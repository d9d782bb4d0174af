"""One-click mischief: what a person can do to the world to see how the bot takes it.

Each is a small function over a `Stage`; what can be ended again (an outage, a bad commit) knows how. Nothing here
talks to the bot.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from bot.sandbox.demo import cast, story
from bot.sandbox.demo.cluster import ClusterDoor
from bot.sandbox.demo.repository import NewCommit, Repository
from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.oncall import OncallService
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import User

if TYPE_CHECKING:
    from bot.sandbox.kube import KubeSandbox

MISSING_IMAGE: Final = "registry.shop.example/catalog:3.8.0"  # committed before it was pushed to the registry
_SHOP: Final = story.NAMESPACES[story.PRODUCTION]


class Group(Enum):
    """Where the page shows it."""

    GIT = "Git"
    CLUSTER = "Cluster, by hand"
    OUTAGE = "Outages"


class Impossible(Exception):
    """It cannot be done as things are; the text says why, for people."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What mischief can be done to; a part that is not ours (a person's own repository or cluster) is None."""

    slack: SlackWorkspace
    oncall: OncallService
    repository: Repository | None
    cluster: ClusterDoor | None
    kube: KubeSandbox | None
    api_down: bool = False
    bad_commits: list[tuple[str, Mapping[str, str | None]]] = field(default_factory=list)  # id, files as they were
    turns: itertools.count[int] = field(default_factory=itertools.count)

    def repo(self) -> Repository:
        if self.repository is None:
            raise Impossible("The repository is your own: push to it yourself.")
        return self.repository

    def by_hand(self, method: str, path: str, *, manager: str, body: Any = None, kind: str = "") -> Mapping[str, Any]:
        """Send one request as kubectl would."""
        if self.cluster is None:
            raise Impossible("The cluster is your own: change it yourself.")
        reply = self.cluster.request(method, path, query={"fieldManager": manager}, body=body, content_type=kind)
        if reply.status >= 400:
            raise Impossible(f"The API server says: {reply.body.get('message') or reply.status}")
        return reply.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """`do` returns one sentence on what was done; `undo` ends it while `is_on`."""

    id: str
    group: Group
    title: str
    text: str
    do: Callable[[Stage], str]
    undo_title: str = ""
    undo: Callable[[Stage], str] | None = None
    is_on: Callable[[Stage], bool] = lambda stage: False
    needs: Callable[[Stage], object] = lambda stage: True  # truthy where it can be done at all


def _commit(stage: Stage, who: User, message: str, files: Mapping[str, str | None]) -> str:
    commit = NewCommit(author=cast.author(who), at=datetime.now(UTC), message=message, files=files)
    return stage.repo().commit(commit)


def _edited(stage: Stage, path: str, pattern: str, change: Callable[[re.Match[str]], str]) -> dict[str, str | None]:
    """Return the file with the first match changed."""
    text, count = re.subn(pattern, change, stage.repo().read(path), count=1)
    if not count:
        raise Impossible(f"{path} is not as it was: somebody has edited it.")
    return {path: text}


def _next_patch(found: re.Match[str]) -> str:
    return f"{found[1]}{int(found[2]) + 1}"


_TAG: Final = r"(image: \S+:\d+\.\d+\.)(\d+)\S*"


def _good_commit(stage: Stage) -> str:
    web = f"{story.PRODUCTION}/web"
    match next(stage.turns) % 4:
        case 0:
            files = _edited(stage, f"{web}/deployment.yaml", _TAG, _next_patch)
            who, what = cast.BOB, "web: the checkout button fits on small phones"
        case 1:
            files = _edited(stage, f"{web}/config.yaml", r'BANNER: ".*"', lambda _: 'BANNER: "Free delivery this week"')
            who, what = cast.EVE, "Say that delivery is free this week"
        case 2:
            path = f"{story.PRODUCTION}/cart/deployment.yaml"
            files = _edited(stage, path, r"replicas: (\d+)", lambda found: f"replicas: {int(found[1]) % 5 + 1}")
            who, what = cast.ANA, "Scale cart for the weekend"
        case _:
            files = _edited(stage, f"{web}/deployment.yaml", _TAG, _next_patch)
            who, what = cast.BOB, "web: faster product pages"
    files = {path: text for path, text in files.items() if text != stage.repo().read(path)} or _edited(
        stage, f"{web}/deployment.yaml", _TAG, _next_patch
    )
    commit = _commit(stage, who, what, files)
    return f"{who.real_name} pushed {commit[:7]}: {what}."


def _bad_commit(stage: Stage, who: User, message: str, path: str, pattern: str, text: str) -> str:
    before: Mapping[str, str | None] = {path: stage.repo().read(path)}
    commit = _commit(stage, who, message, _edited(stage, path, pattern, lambda found: found.expand(text)))
    stage.bad_commits.append((commit, before))
    return f"{who.real_name} pushed {commit[:7]}: {message}."


def _broken_image(stage: Stage) -> str:
    path = f"{story.PRODUCTION}/catalog/deployment.yaml"
    return _bad_commit(stage, cast.BOB, "catalog 3.8.0: product videos", path, r"image: \S+", f"image: {MISSING_IMAGE}")


def _invalid_manifest(stage: Stage) -> str:
    path = f"{story.PRODUCTION}/orders/deployment.yaml"
    return _bad_commit(stage, cast.DEV, "More orders for the sale", path, r"replicas: \S+", "replicas: three")


def _revert(stage: Stage) -> str:
    if not stage.bad_commits:
        raise Impossible("There is no bad commit to revert.")
    commit, before = stage.bad_commits.pop()
    made = _commit(stage, cast.ANA, f"Revert {commit[:7]}", before)
    return f"Ana Lima pushed {made[:7]}, which reverts {commit[:7]}."


def _force_push(stage: Stage) -> str:
    repo = stage.repo()
    path = f"{story.PRODUCTION}/web/deployment.yaml"
    files = _edited(stage, path, _TAG, _next_patch)
    commit = NewCommit(
        author=cast.author(cast.BOB),
        at=datetime.now(UTC),
        message="web: rewritten, and pushed with --force",
        files=files,
    )
    left = repo.head()
    made = repo.replace_last(commit)
    stage.bad_commits.clear()
    return f"Bob Reis dropped {left[:7]} from main and put {made[:7]} in its place."


def _hand_edit(stage: Stage) -> str:
    body = {"data": {"BANNER": "EVERYTHING IS FREE", "LOG_LEVEL": "debug"}}
    path = f"/api/v1/namespaces/{_SHOP}/configmaps/web"
    stage.by_hand("PATCH", path, manager="kubectl-edit", body=body, kind="application/merge-patch+json")
    return f"ConfigMap {_SHOP}/web was edited with kubectl."


def _delete(stage: Stage) -> str:
    stage.by_hand("DELETE", f"/api/v1/namespaces/{_SHOP}/services/cart", manager="kubectl")
    return f"Service {_SHOP}/cart was deleted with kubectl."


def _scale(stage: Stage) -> str:
    path = f"/apis/apps/v1/namespaces/{_SHOP}/deployments/web/scale"
    stage.by_hand("PATCH", path, manager="kubectl", body={"spec": {"replicas": 6}}, kind="application/merge-patch+json")
    return f"Deployment {_SHOP}/web was scaled to 6 with kubectl."


def _api_down(stage: Stage) -> str:
    kube = _kube(stage)
    kube.heal()
    kube.pause()
    stage.api_down = True
    return "The API server does not answer any more."


def _api_slow(stage: Stage) -> str:
    kube = _kube(stage)
    _api_well(stage)
    kube.fail(Fault(kind=FaultKind.DELAY, seconds=2))
    return "The API server takes its time."


def _api_well(stage: Stage) -> str:
    _kube(stage).heal()
    stage.api_down = False
    return "The API server is well again."


def _kube(stage: Stage) -> KubeSandbox:
    if stage.kube is None:
        raise Impossible("The cluster is your own.")
    return stage.kube


def _outage(faults: Callable[[Stage], Faults], fault: Fault, said: str) -> Callable[[Stage], str]:
    def do(stage: Stage) -> str:
        plan = faults(stage)
        plan.heal()
        plan.add(fault)
        if plan is stage.slack.state.faults:
            stage.slack.drop_sockets()
        return said

    return do


def _heal(faults: Callable[[Stage], Faults], said: str) -> Callable[[Stage], str]:
    def undo(stage: Stage) -> str:
        faults(stage).heal()
        return said

    return undo


def _struck(faults: Callable[[Stage], Faults]) -> Callable[[Stage], bool]:
    return lambda stage: bool(faults(stage).planned())


def _slack(stage: Stage) -> Faults:
    return stage.slack.state.faults


def _oncall(stage: Stage) -> Faults:
    return stage.oncall.faults


def _our_kube(stage: Stage) -> object:
    return stage.kube


def _ours(stage: Stage) -> object:
    return stage.repository


def _our_cluster(stage: Stage) -> object:
    return stage.repository and stage.cluster


ALL: Final = (
    Mischief(
        id="good-commit",
        group=Group.GIT,
        title="Push a good commit",
        text="A small, sane change lands on main.",
        do=_good_commit,
        needs=_ours,
    ),
    Mischief(
        id="broken-image",
        group=Group.GIT,
        title="Push a broken image",
        text="catalog gets an image tag that no registry has.",
        do=_broken_image,
        undo_title="Revert the last bad commit",
        undo=_revert,
        is_on=lambda stage: bool(stage.bad_commits),
        needs=_ours,
    ),
    Mischief(
        id="invalid-manifest",
        group=Group.GIT,
        title="Push an invalid manifest",
        text="orders wants “three” replicas. The API server will not have it.",
        do=_invalid_manifest,
        needs=_ours,
    ),
    Mischief(
        id="force-push",
        group=Group.GIT,
        title="Force-push main",
        text="The last commit disappears and another one takes its place.",
        do=_force_push,
        needs=_ours,
    ),
    Mischief(
        id="hand-edit",
        group=Group.CLUSTER,
        title="Edit a ConfigMap",
        text="kubectl edit: web's banner gives everything away.",
        do=_hand_edit,
        needs=_our_cluster,
    ),
    Mischief(
        id="delete",
        group=Group.CLUSTER,
        title="Delete a Service",
        text="kubectl delete: nobody reaches the cart any more.",
        do=_delete,
        needs=_our_cluster,
    ),
    Mischief(
        id="scale",
        group=Group.CLUSTER,
        title="Scale to 6 replicas",
        text="kubectl scale: web gets more than Git says.",
        do=_scale,
        needs=_our_cluster,
    ),
    Mischief(
        id="api-down",
        group=Group.OUTAGE,
        title="API server down",
        text="Every connection to the cluster ends without an answer.",
        do=_api_down,
        undo_title="API server up again",
        undo=_api_well,
        is_on=lambda stage: stage.api_down,
        needs=_our_kube,
    ),
    Mischief(
        id="api-slow",
        group=Group.OUTAGE,
        title="API server slow",
        text="Every answer takes two seconds longer.",
        do=_api_slow,
        undo_title="API server fast again",
        undo=_api_well,
        is_on=lambda stage: stage.kube is not None and bool(stage.kube.faults.planned()),
        needs=_our_kube,
    ),
    Mischief(
        id="slack-down",
        group=Group.OUTAGE,
        title="Slack down",
        text="The bot can neither speak nor hear. What it has to say waits.",
        do=_outage(_slack, Fault(kind=FaultKind.REFUSE), "Slack is down for the bot."),
        undo_title="Slack up again",
        undo=_heal(_slack, "Slack is up again; what waited arrives."),
        is_on=_struck(_slack),
    ),
    Mischief(
        id="oncall-down",
        group=Group.OUTAGE,
        title="On-call service down",
        text="Pages get 503 until it is back.",
        do=_outage(_oncall, Fault(kind=FaultKind.STATUS, status=503), "The on-call service is down."),
        undo_title="On-call service up again",
        undo=_heal(_oncall, "The on-call service is up again."),
        is_on=_struck(_oncall),
    ),
)
