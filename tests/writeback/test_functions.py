"""What a Lambda function gets, on the wire, and what people read when it gets nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest

from bot.errors import DeliveryFailed
from bot.writeback.functions import LambdaTarget
from bot.writeback.hooks import WebhookTarget
from tests.receiver import Receiver
from tests.writeback.aws import LONG, REGION, RESET, SHORT, Answer, Aws, Keys, refusal
from tests.writeback.test_sink import CONVERGED

ARN = f"arn:aws:lambda:{REGION}:123456789012:function:shop:live"
ROLE = "arn:aws:iam::123456789012:role/gitops-bot"
Environment = Callable[[Mapping[str, str]], None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """What AWS's chain finds is what is given, and nothing of this machine."""

    def become(variables: Mapping[str, str]) -> None:
        for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        nothing = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
        for name, value in {"AWS_EC2_METADATA_DISABLED": "true", **nothing, **variables}.items():
            monkeypatch.setenv(name, value)

    become(LONG.environment())
    return become


def target(aws: Aws, function: str = "shop") -> LambdaTarget:
    return LambdaTarget(function=function, region=REGION, endpoint_url=aws.url)


def refused(aws: Aws, *answers: Answer) -> DeliveryFailed:
    aws.fails += answers
    with pytest.raises(DeliveryFailed) as failed:
        target(aws).send(CONVERGED)
    assert "canary" not in str(failed.value)
    return failed.value


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("function", "queue"), [("shop", "shop"), ("shop:live", "shop:live"), (ARN, "shop:live")])
def test_function_gets_the_event_of_a_webhook(function: str, queue: str) -> None:
    with Aws("shop", "shop:live") as aws, Receiver() as receiver:
        target(aws, function).send(CONVERGED)
        WebhookTarget(url=receiver.url, secret="s").send(CONVERGED)
        assert aws.queues[queue] == [receiver.got[0].json()]


@pytest.mark.parametrize("source", ["environment", "session", "profile", "web identity", "container", "instance"])
def test_credentials_are_found_where_aws_looks(source: str, environment: Environment, tmp_path: Path) -> None:
    """IRSA is a web identity, EKS Pod Identity a container. The signature is by the keys that the source gave."""
    for name, text in (
        ("keys", f"[ops]\naws_access_key_id={LONG.id}\naws_secret_access_key={LONG.secret}\n"),
        ("jwt", "canary-jwt"),
        ("pod", "canary-pod"),
    ):
        (tmp_path / name).write_text(text)
    with Aws("shop") as aws:
        environment(
            {
                "environment": LONG.environment(),
                "session": SHORT.environment(),
                "profile": {"AWS_PROFILE": "ops", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")},
                "web identity": {
                    "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "jwt"),
                    "AWS_ROLE_ARN": ROLE,
                    "AWS_ENDPOINT_URL_STS": aws.url,
                },
                "container": {
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.url}/container",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "pod"),
                },
                "instance": {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url},
            }[source]
        )
        target(aws).send(CONVERGED)
        assert len(aws.queues["shop"]) == 1


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("lost", [RESET, refusal(500, "ServiceException")])
def test_event_that_arrived_unseen_is_sent_again_with_its_id(lost: Answer) -> None:
    with Aws("shop") as aws:
        aws.accepts = True
        assert refused(aws, lost).retry_after_seconds == 5
        target(aws).send(CONVERGED)
        first, second = aws.queues["shop"]
        assert first == second
        assert first["id"] == CONVERGED.id


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("answer", "after", "words"),
    [
        (refusal(429, "TooManyRequestsException", Retry_After="17"), 17, "TooManyRequestsException"),
        (refusal(429, "TooManyRequestsException"), 5, "TooManyRequestsException"),
        (refusal(409, "ResourceConflictException"), 5, "ResourceConflictException"),
        (refusal(502, "EC2ThrottledException"), 5, "EC2ThrottledException"),
        ((503, {}, "<html>canary</html>"), 5, "503"),
        (refusal(403, "ExpiredTokenException", "canary"), 60, "ExpiredTokenException): renew them"),
        (refusal(400, "InvalidParameterValueException", "canary"), None, "InvalidParameterValueException"),
        (refusal(413, "RequestTooLargeException"), None, "bytes is larger than Lambda takes"),
        (refusal(404, "ResourceNotFoundException"), None, "has no such function or alias"),
        (refusal(403, "AccessDeniedException"), None, "allow lambda:InvokeFunction on shop"),
        ((200, {}, "<html>canary</html>"), None, "nothing there speaks for Lambda"),
    ],
)
def test_refusal_says_what_to_do_and_whether_it_is_tried_again(answer: Answer, after: float | None, words: str) -> None:
    with Aws("shop") as aws:
        failed = refused(aws, answer)
    assert failed.retry_after_seconds == after
    assert words in str(failed)


@pytest.mark.usefixtures("environment")
def test_who_may_not_invoke_is_named() -> None:
    who = "arn:aws:sts::123456789012:assumed-role/gitops-bot/1"
    why = f"User: {who} is not authorized to perform: lambda:InvokeFunction on resource: {ARN}"
    with Aws() as aws:
        said = str(refused(aws, refusal(403, "AccessDeniedException", why)))
    assert said == f"lambda shop: {who} may not invoke it: allow lambda:InvokeFunction on shop"


def test_wrong_key_says_nothing_of_what_aws_shows_of_it(environment: Environment) -> None:
    """What AWS says of a wrong signature contains the request, and in it the session token."""
    wrong = Keys(id=SHORT.id, secret="canary-wrong", token=SHORT.token)
    environment(wrong.environment())
    with Aws("shop") as aws:
        failed = refused(aws)
    assert "InvalidSignatureException" in str(failed)
    assert failed.retry_after_seconds == 60


def test_event_waits_until_credentials_are_renewed(environment: Environment) -> None:
    environment(Keys(id="AKIAOLD", secret="canary").environment())
    with Aws("shop") as aws:
        one = target(aws)
        with pytest.raises(DeliveryFailed, match="renew them"):
            one.send(CONVERGED)
        environment(LONG.environment())
        one.send(CONVERGED)
        assert len(aws.queues["shop"]) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "there are no AWS credentials: give the pod a role"),
        ({"AWS_PROFILE": "gone"}, "ProfileNotFound"),
        ({"AWS_ACCESS_KEY_ID": "AKIACANARY"}, "PartialCredentialsError"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/gone", "AWS_ROLE_ARN": ROLE}, "FileNotFoundError of /gone"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://agent.example.com/"}, "no credentials (ValueError)"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/jwt", "AWS_ROLE_ARN": ROLE}, "AssumeRoleWithWebIdentity answers InvalidId"),
    ],
)
def test_missing_credentials_are_waited_for_and_said(
    variables: Mapping[str, str], words: str, environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "jwt").write_text("expired")
    with Aws("shop") as aws:
        here = {name: value.replace("/jwt", str(tmp_path / "jwt")) for name, value in variables.items()}
        environment({**here, "AWS_ENDPOINT_URL_STS": aws.url})
        failed = refused(aws)
    assert words in str(failed)
    assert failed.retry_after_seconds == 60


@pytest.mark.usefixtures("environment")
def test_api_that_is_away_is_tried_again() -> None:
    with Aws("shop") as aws:
        one = target(aws)
    with pytest.raises(
        DeliveryFailed, match=f"lambda shop: {urlsplit(aws.url).netloc} cannot be reached: EndpointConnectionError"
    ) as failed:
        one.send(CONVERGED)
    assert failed.value.retry_after_seconds == 5


@pytest.mark.usefixtures("environment")
def test_api_that_hangs_is_given_up_for_a_while() -> None:
    with Aws("shop") as aws:
        aws.hold = Event()
        one = LambdaTarget(function="shop", region=REGION, endpoint_url=aws.url, patience_seconds=0.2)
        with pytest.raises(DeliveryFailed, match="ReadTimeoutError") as failed:
            one.send(CONVERGED)
    assert failed.value.retry_after_seconds == 5


@pytest.mark.usefixtures("environment")
def test_no_event_is_too_large_for_a_function() -> None:
    with Aws("shop") as aws:
        target(aws).send(replace(CONVERGED, event="failed", description="\U0001f4a5" * 1_000_000))
        (event,) = aws.queues["shop"]
    assert len(str(event).encode()) < 256_000


@pytest.mark.usefixtures("environment")
def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture, environment: Environment) -> None:
    environment(SHORT.environment())
    caplog.set_level(logging.DEBUG)
    with Aws("shop") as aws:
        target(aws).send(CONVERGED)
    assert "canary" not in caplog.text


@pytest.mark.usefixtures("environment")
def test_check_invokes_without_running_the_function() -> None:
    with Aws("shop") as aws:
        assert target(aws).check() == ""
        assert (aws.tried, aws.queues["shop"]) == (["shop"], [])
        assert "no such function or alias" in target(aws, "till").check()
        aws.fails.append(refusal(403, "AccessDeniedException"))
        assert "allow lambda:InvokeFunction on shop" in target(aws).check()
