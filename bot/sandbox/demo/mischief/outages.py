"""Outages of what the bot depends on: they begin with one button and last until another one ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bot.sandbox.demo.mischief.stage import Group, Impossible, Mischief, Stage
from bot.sandbox.faults import Fault, FaultKind, Faults

if TYPE_CHECKING:
    from bot.sandbox.kube import KubeSandbox


def _kube(stage: Stage) -> KubeSandbox:
    if stage.kube is None:
        raise Impossible("The cluster is your own.")
    return stage.kube


def _api_down(stage: Stage) -> str:
    kube = _kube(stage)
    kube.heal()
    kube.pause()
    stage.api_down = True
    return "The API server does not answer any more. An outage that lasts a minute is said in Slack."


def _api_slow(stage: Stage) -> str:
    kube = _kube(stage)
    _api_well(stage)
    kube.fail(Fault(kind=FaultKind.DELAY, seconds=2))
    return "The API server takes its time."


def _api_well(stage: Stage) -> str:
    _kube(stage).heal()
    stage.api_down = False
    return "The API server is well again."


def _slack_down(stage: Stage) -> str:
    _strike(_slack(stage), Fault(kind=FaultKind.REFUSE))
    stage.slack.drop_sockets()
    return "Slack is down for the bot."


def _oncall_down(stage: Stage) -> str:
    _strike(_oncall(stage), Fault(kind=FaultKind.STATUS, status=503))
    return "The on-call service is down."


def _strike(plan: Faults, fault: Fault) -> None:
    plan.heal()
    plan.add(fault)


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


ALL: Final = (
    Mischief(
        id="api-down",
        group=Group.OUTAGE,
        title="API server down",
        text="Every connection to the cluster ends without an answer. Slack hears of it after a minute.",
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
        do=_slack_down,
        undo_title="Slack up again",
        undo=_heal(_slack, "Slack is up again; what waited arrives."),
        is_on=_struck(_slack),
    ),
    Mischief(
        id="oncall-down",
        group=Group.OUTAGE,
        title="On-call service down",
        text="Pages get 503 until it is back.",
        do=_oncall_down,
        undo_title="On-call service up again",
        undo=_heal(_oncall, "The on-call service is up again."),
        is_on=_struck(_oncall),
    ),
)
