"""What starts a pipeline of Spinnaker, on the wire, and what people read when nothing does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.errors import DeliveryFailed
from bot.writeback.pipelines import Gate, SpinnakerTarget
from tests.receiver import Receiver
from tests.writeback.spinnaker import RESET, Answer, Pipeline, Spinnaker
from tests.writeback.test_sink import COMMIT, CONVERGED

FLEET = "https://git.example.com/acme/fleet.git"


def target(
    url: str,
    *,
    source: str = "gitops-bot",
    secret: str = "",
    token: str = "",
    header: str = "",
    repository: str = FLEET,
) -> SpinnakerTarget:
    gate = Gate(url=url, source=source, secret=secret, token=token, header=header)
    return SpinnakerTarget(gate, repository=lambda back: repository)


def test_pipelines_run_whose_constraints_fit() -> None:
    fits = Pipeline(constraints={"app": "^shop$", "env": "production", "event": "converged", "commit": COMMIT[:7]})
    secret = Pipeline(constraints={"secret": "^canary$"})
    others = (
        Pipeline(constraints={"app": "^payments$"}),
        Pipeline(constraints={"event": "failed"}),
        Pipeline(source="jenkins"),
    )
    with Spinnaker(fits, secret, *others) as spinnaker:
        target(spinnaker.url, secret="canary").send(CONVERGED)
        target(f"{spinnaker.url}/", source="jenkins", secret="").send(CONVERGED)
    assert [len(one.runs) for one in (fits, secret, *others)] == [1, 1, 0, 0, 1]


def test_pipeline_gets_parameters_the_commit_as_artifact_and_all_facts() -> None:
    with Spinnaker(Pipeline()) as spinnaker:
        target(spinnaker.url).send(CONVERGED)
    (run,) = spinnaker.pipelines[0].runs
    assert run["parameters"] == {
        "app": "shop",
        "cluster": "prod",
        "env": "production",
        "event": "converged",
        "commit": COMMIT,
    }
    assert run["artifacts"] == [{"type": "git/repo", "name": FLEET, "reference": FLEET, "version": COMMIT}]
    assert (run["payload"]["id"], run["payload"]["digest"]) == (CONVERGED.id, "sha256:1")
    assert run["payload"]["time"] == "2026-03-01T12:00:00+00:00"
    assert "secret" not in run["payload"]


def test_repository_that_only_we_can_read_is_no_artifact() -> None:
    with Spinnaker(Pipeline()) as spinnaker:
        target(spinnaker.url, repository="").send(CONVERGED)
    assert spinnaker.pipelines[0].runs[0]["artifacts"] == []


@pytest.mark.parametrize(
    ("token", "header", "expected"),
    [
        ("canary", "", {"authorization": "Bearer canary"}),
        ("ana:canary", "", {"authorization": "Basic YW5hOmNhbmFyeQ=="}),
        ("canary", "X-Api-Key", {"x-api-key": "canary"}),
    ],
)
def test_gate_gets_the_token_as_the_installation_wants_it(token: str, header: str, expected: dict[str, str]) -> None:
    with Spinnaker(Pipeline(), headers=expected) as spinnaker:
        target(spinnaker.url, token=token, header=header).send(CONVERGED)
        assert len(spinnaker.pipelines[0].runs) == 1
        with pytest.raises(DeliveryFailed, match="answers 401: check its URL and token") as failed:
            target(spinnaker.url, token="canary:old", header=header).send(CONVERGED)
    assert "canary" not in str(failed.value)


@pytest.mark.parametrize(
    ("answer", "after"), [(RESET, 5), ((502, {}, "<html>"), 5), ((429, {"Retry-After": "17"}, ""), 17)]
)
def test_event_whose_answer_was_lost_is_sent_again_with_its_id(answer: Answer, after: float) -> None:
    with Spinnaker(Pipeline()) as spinnaker:
        one = target(spinnaker.url)
        spinnaker.fails.append(answer)
        spinnaker.accepts = True
        with pytest.raises(DeliveryFailed) as failed:
            one.send(CONVERGED)
        assert failed.value.retry_after_seconds == after
        one.send(CONVERGED)
    first, second = spinnaker.pipelines[0].runs
    assert first["payload"] == second["payload"]
    assert first["eventId"] != second["eventId"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, "<html>Deck</html>"), "write the address of Gate, not of Deck"),
        ((200, {}, '{"eventProcessed":false}'), "write the address of Gate, not of Deck"),
        ((302, {"Location": "https://sso.example.com"}, ""), "answers 302"),
        ((405, {}, ""), "answers 405"),
    ],
)
def test_what_is_no_gate_has_not_taken_the_event(answer: Answer, words: str) -> None:
    with Receiver(answer) as receiver, pytest.raises(DeliveryFailed, match=words) as failed:
        target(receiver.url).send(CONVERGED)
    assert failed.value.retry_after_seconds is None


def test_check_starts_nothing_and_tells_gate_from_deck() -> None:
    with Spinnaker(Pipeline()) as spinnaker:
        assert target(spinnaker.url).check() == ""
        assert spinnaker.pipelines[0].runs == []
    assert "cannot be reached" in target(spinnaker.url).check()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, "<html>Deck</html>"), "answers no JSON: check its URL"),
        ((200, {}, "[]"), "write the address of Gate, not of Deck"),
        ((404, {}, ""), "write the address of Gate, not of Deck"),
        ((503, {}, '{"status":"DOWN"}'), "answers 503"),
    ],
)
def test_check_says_what_is_no_gate(answer: Answer, words: str) -> None:
    with Receiver(answer) as receiver:
        assert words in target(receiver.url).check()


def test_failure_starts_a_pipeline_that_asks_for_it() -> None:
    rollback = Pipeline(constraints={"event": "^failed$", "fault": "^commit$"})
    with Spinnaker(rollback) as spinnaker:
        target(spinnaker.url).send(replace(CONVERGED, event="failed", fault="outage"))
        target(spinnaker.url).send(replace(CONVERGED, event="failed", fault="commit"))
    assert len(rollback.runs) == 1
