"""Orders about many apps at once, on the wire: asked about, confirmed, said once, ended; in a terminal at once."""

from __future__ import annotations

import json
from collections.abc import Callable

from bot.sandbox.slack.values import Message, User
from tests.flow.office import ANA, BOB, DEPLOYS, EVE, PAYMENTS, SRE, Office, configmap
from tests.flow.workplace import buttons, said
from tests.waiting import until

MORE = tuple(f"more-{number:02}" for number in range(12))  # beside shop and docs in staging


def open_with_more(offices: Callable[..., Office]) -> Office:
    """Open an office of 15 apps, all of which are equal to Git."""
    common = "repo: fleet, cluster: prod, interval: 1s, env: staging"
    lines = [f"  - {{name: {app}, path: {app}, {common}}}" for app in MORE]
    office = offices(apps="\n".join(lines))
    office.upstream.commit({f"{app}/a.yaml": configmap(app, "info") for app in MORE})
    office.open()
    until(lambda: len(standing(office, "synced", "healthy")) == 15, "all apps have converged")
    return office


def standing(office: Office, *words: str) -> list[str]:
    """Return the apps that are like that."""
    code, text = office.bot.run("status", *words, "--output", "json")
    assert code == 0, text
    return [one["app"] for one in json.loads(text)["apps"]]


def hears(office: Office, user: User, *words: str) -> Message:
    """Wait until somebody reads an answer with these words, edited ones included; return it."""
    found: list[Message] = []

    def look() -> bool:
        found[:] = [one for one in office.slack.ephemerals(user.id) if all(word in said(one) for word in words)]
        return bool(found)

    assert office.slack.wait_until(look), office.bot.log()[-2000:]
    return found[-1]


def test_pause_of_an_environment_is_asked_about_said_once_and_ended_by_its_button(
    offices: Callable[..., Office],
) -> None:
    """Whoever upgrades nodes had to type an order for each app, and everybody read as many messages."""
    office = open_with_more(offices)
    asked = office.types(ANA, "pause env:staging for 2h node upgrade", DEPLOYS)
    assert asked.text == "Pause 14 apps for 2 h (node upgrade)? That is what env:staging means now."
    assert all(app in said(asked) for app in ("shop", "docs", *MORE))
    assert standing(office, "state:paused") == [], "the question has paused something"

    delivery = office.slack.click(asked, "gitops.bulk_go", ANA.id)
    assert office.slack.redeliver(delivery).acknowledged
    paused = office.sees(DEPLOYS, "Paused: 14 apps / prod", "node upgrade", "env:staging", "more-11")
    hears(office, ANA, "14 apps are paused until")
    assert len(standing(office, "paused")) == 14
    assert [one.text for one in office.slack.messages(DEPLOYS) if one.text.startswith("Paused:")] == [paused.text]
    assert [one["decision"] for one in office.audit("more-03") if one["verb"] == "pause"] == ["done"]

    again = office.types(BOB, "pause env:staging for 1h", DEPLOYS)
    assert again.text.startswith("Nothing has changed. 14 apps stay as they are: each is paused by <@U0ANA> since")
    assert "resume shop" in office.types(BOB, "sync shop", DEPLOYS).text

    office.types(BOB, "resume shop", DEPLOYS)
    left = office.sees(DEPLOYS, "Paused: 13 apps", "shop / prod was resumed by <@U0BOB>")
    assert left.ts == paused.ts
    office.types(BOB, "pause shop for 3h her own reason", DEPLOYS)
    office.presses(ANA, left, "gitops.resume_all")
    over = office.sees(DEPLOYS, "Paused: 13 apps", "<@U0ANA> has resumed them")
    assert (over.ts, "gitops.resume_all" in buttons(over)) == (paused.ts, False)
    office.sees(DEPLOYS, "Resumed: 13 apps / prod")
    assert standing(office, "paused") == ["shop"], "the button has ended the pause of another order"


def test_apps_that_a_person_may_not_order_are_named_and_the_others_done(offices: Callable[..., Office]) -> None:
    office = open_with_more(offices)
    for words, why in (
        ("pause cluster:prodd", '"prodd" is no cluster, did you mean prod?; there is prod'),
        ("pause clutser:prod", '"clutser:" is none of app:, cluster:, env:, state:, team:'),
        ("sync state:failing", "no app is like that: state:failing"),
        ("resume all", "Nothing has changed: none of these apps is paused."),
    ):
        assert office.types(ANA, words, DEPLOYS).text.startswith(why)

    refused = office.types(EVE, "pause all", DEPLOYS).text
    assert refused.startswith("You may not pause 15 apps: payments / prod, shop / prod")
    assert "No rule allows you to pause payments (production)" in refused
    assert standing(office, "paused") == []
    assert [(one["who"], one["decision"]) for one in office.audit("more-01")][:1] == [(EVE.id, "denied")]

    asked = office.types(BOB, "sync all", DEPLOYS)
    assert asked.text.startswith("Sync 14 apps?")
    assert "You may not sync 1 app: payments / prod." in said(asked)
    assert f"<!subteam^{SRE}>" in said(asked), "who could is not said"
    assert office.slack.click(asked, "gitops.cancel", BOB.id).acknowledged
    hears(office, BOB, "Cancelled; nothing has changed.")
    asked = office.types(BOB, "sync all", DEPLOYS)
    office.types(ANA, "pause docs", DEPLOYS)
    assert office.slack.click(asked, "gitops.bulk_go", BOB.id).acknowledged
    anew = hears(office, BOB, "Sync 13 apps?", "docs / prod is paused by")
    assert anew.ts == asked.ts, "what was agreed to was not what matched by then"
    assert office.slack.click(anew, "gitops.bulk_go", BOB.id).acknowledged
    hears(office, BOB, "13 apps are syncing", "You may not sync 1 app: payments / prod.")
    assert (BOB.id, "sync", "allowed") in [(one["who"], one["verb"], one["decision"]) for one in office.audit("shop")]

    few = office.types(BOB, "pause app:shop app:more-01 for 1h", PAYMENTS)
    assert few.text.startswith("2 apps are paused until"), "who orders elsewhere reads of it there"
    office.sees(DEPLOYS, "Paused: 2 apps / prod", "more-01, shop")
    office.heard(lambda: office.slack.mention(BOB.id, DEPLOYS, "resume app:shop app:more-01"))
    office.sees(DEPLOYS, "Resumed: 2 apps / prod", "more-01, shop")


def test_resume_in_the_thread_of_an_order_about_many_apps_is_about_those_that_it_holds(
    offices: Callable[..., Office],
) -> None:
    """It was answered that it needs an app, below a message that names them all."""
    office = open_with_more(offices)
    office.types(ANA, "pause app:shop app:more-01 app:more-02 for 2h", DEPLOYS)
    root = office.sees(DEPLOYS, "Paused: 3 apps / prod")
    office.types(ANA, "resume shop", DEPLOYS)
    office.types(ANA, "pause shop for 1h", DEPLOYS)

    def mentions(text: str) -> str:
        before = len(office.slack.ephemerals(ANA.id))
        office.heard(lambda: office.slack.mention(ANA.id, DEPLOYS, text, thread_ts=root.ts))
        answers: list[Message] = until(lambda: office.slack.ephemerals(ANA.id)[before:])
        return answers[0].text

    assert mentions("resume").startswith("2 apps are running")
    assert standing(office, "paused") == ["shop"], "the pause of another order was ended"
    assert mentions("resume").startswith("resume needs an app")


def test_terminal_orders_many_apps_at_once(offices: Callable[..., Office]) -> None:
    office = open_with_more(offices)
    run = office.bot.run
    code, text = run("pause", "env:staging", "cluster:prod", "--for", "1h", "--reason", "upgrade")
    assert code == 0, text
    assert "14 apps are paused until" in text
    office.sees(DEPLOYS, "Paused: 14 apps / prod", "upgrade")
    code, text = run("pause", "env:staging", "--for", "1h")
    assert code == 1
    assert "Nothing has changed." in text
    assert run("sync", "env:staging")[0] == 4
    code, text = run("resume", "state:paused")
    assert (code, standing(office, "paused")) == (0, []), text
    office.sees(DEPLOYS, "Resumed: 14 apps / prod")
    code, text = run("sync", "cluster:prod")
    assert code == 0, text
    assert run("mute", "env:staging", "--for", "1h")[0] == 0
    office.sees(DEPLOYS, "Muted: 14 apps / prod")
    assert run("unmute", "all")[0] == 0
    office.sees(DEPLOYS, "No longer muted: 14 apps / prod")
    assert run("mute", "all", "--for", "1h")[0] == 0
    office.sees(DEPLOYS, "Muted: all apps")
    assert run("unmute", "all")[0] == 0
    assert run("pause", "cluster:nowhere")[0] == 64
