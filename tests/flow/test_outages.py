"""What is said, shown and paged while a neighbour is away: what nobody can know is not claimed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bot.sandbox.slack.values import Message
from tests.flow.office import ANA, DEPLOYS, Office
from tests.flow.pull_requests import TOKEN, PullRequests
from tests.receiver import Receiver
from tests.waiting import until

Offices = Callable[..., Office]


def over(office: Office) -> list[Message]:
    """Return the messages about trouble that has ended."""
    return [one for one in office.slack.roots(DEPLOYS) if one.text.startswith(("Converged", "Recovered"))]


def test_nobody_knows_how_an_app_is_while_its_cluster_is_away(offices: Offices) -> None:
    """It was "failed, healthy", synced a moment ago; and `sync` was answered by nothing for the first minute."""
    office = offices()
    office.open()
    good = office.bot.status("shop")["last_sync_at"]
    office.kube.pause()
    until(lambda: office.bot.status("shop")["sync"] == "failed")
    said = office.bot.status("shop")
    assert (said["health"], said["seen_health"], said["last_sync_at"]) == ("unknown", "healthy", good)
    assert "prod" in str(said["last_error"])
    shown = json.dumps(office.types(ANA, "status shop", DEPLOYS).blocks)
    assert "unknown since <!date" in shown
    assert "healthy before" in shown

    office.types(ANA, "sync shop", DEPLOYS)
    first = office.sees(DEPLOYS, "Sync failed", "shop", "tried again by itself until cluster prod answers")
    office.types(ANA, "sync shop", DEPLOYS)
    until(lambda: [one for one in office.slack.messages(DEPLOYS) if one.thread_ts == first.ts])
    office.kube.resume()
    until(lambda: office.bot.status("shop")["health"] == "healthy")
    until(lambda: [one for one in over(office) if one.ts == first.ts])
    assert office.bot.status("shop")["seen_health"] is None


@pytest.mark.parametrize("first", ["up", "down"])
def test_apps_are_tried_as_soon_as_their_cluster_answers_again(offices: Offices, first: str) -> None:
    """They came back with their next retry, up to its longest pause after the cluster."""
    office = offices()
    office.bot.configure(lambda text: text.replace("first: 200ms, factor: 1, max: 1s", "first: 1h, factor: 1, max: 1h"))
    if first == "up":
        office.open()
        office.kube.pause()
    else:
        office.kube.pause()
        office.commit("info")
        office.start()
    apps = ("payments", "shop", "docs")
    until(lambda: {office.bot.status(app)["sync"] for app in apps} == {"failed"})
    office.kube.resume()
    until(lambda: {office.bot.status(app)["sync"] for app in apps} == {"synced"})


def test_outage_fails_no_commit(offices: Offices) -> None:
    """Each commit that was live got a red cross at the Git host because an API server was away."""
    with PullRequests() as host, Receiver() as receiver:
        hook = f"{{type: webhook, url: '{receiver.url}/hook', events: [failed], secret_env: HOOK_SECRET}}"
        office = offices(more=f"writebacks: [{host.writeback}, {hook}]", GIT_TOKEN=TOKEN, HOOK_SECRET="hook")

        def states() -> list[str]:
            sent = [one.json() for one in host.got if "/statuses/" in one.path]
            return [str(one["state"]) for one in sent if one["context"] == "gitops-bot/prod/shop"]

        def faults() -> list[str]:
            sent = [one.json()["data"] for one in receiver.got]
            return [str(one["fault"]) for one in sent if one["app"] == "shop"]

        office.open()
        until(lambda: states()[-1:] == ["success"])
        before = len(states())
        office.kube.pause()
        until(lambda: office.bot.status("shop")["sync"] == "failed")
        office.types(ANA, "sync shop", DEPLOYS)  # who orders a sync hears at once
        until(lambda: faults() == ["outage"])
        office.kube.resume()
        until(lambda: len(states()) > before)
        assert set(states()[before:]) == {"success"}
        office.upstream.commit({"shop/a.yaml": "kind: [\n"})
        until(lambda: states()[-1:] == ["failure"])
        until(lambda: faults() == ["outage", "commit"])


def test_workloads_are_looked_at_while_git_is_away(offices: Offices) -> None:
    office = offices()
    office.open()
    away = office.upstream.path.rename(office.upstream.path.with_name("gone"))
    until(lambda: office.bot.status("shop")["sync"] == "failed")
    assert office.bot.status("shop")["health"] == "healthy"
    away.rename(office.upstream.path)
    until(lambda: office.bot.status("shop")["sync"] == "synced")


def test_outage_of_a_cluster_is_one_page_of_all_its_apps_though_one_was_paged_before(offices: Offices) -> None:
    """Whoever had acknowledged the page of one app slept through the outage, which was a note on it."""
    office = offices()
    office.bot.configure(lambda text: text.replace("duration: 1h", "duration: 10s"))
    office.open()
    office.upstream.commit({"shop/a.yaml": "kind: [\n"})
    until(office.oncall.opened)
    assert [one.alias for one in office.oncall.alerts] == ["gitops-bot:prod:shop"]
    office.kube.pause()
    until(lambda: len(office.oncall.opened()) == 2)
    own, outage = office.oncall.alerts
    assert outage.alias.startswith("gitops-bot:_shared:")
    assert outage.message.startswith("2 apps / prod: ")
    assert {"docs / prod", "payments / prod"} <= {
        line.partition(":")[0].removeprefix("- ") for line in outage.description.splitlines()
    }
    office.kube.resume()
    until(lambda: [one.alias for one in office.oncall.opened()] == [own.alias])
    office.commit("info")
    until(lambda: not office.oncall.opened())
    assert len(office.oncall.alerts) == 2


def test_app_that_is_paused_in_an_outage_recovers_with_it(offices: Offices) -> None:
    """It was said to fail from the first outage on, for as long as the pause lasted, and held the page open."""
    office = offices()
    office.bot.configure(lambda text: text.replace("duration: 1h", "duration: 10s"))
    office.open()
    office.types(ANA, "pause shop for 2h", DEPLOYS)
    office.sees(DEPLOYS, "Paused", "shop")
    office.kube.pause()
    until(office.oncall.opened)
    office.kube.resume()
    until(lambda: not office.oncall.opened())
    status = office.bot.status("shop")
    assert (status["sync"], status["health"], status["last_error"]) == ("synced", "healthy", None)
