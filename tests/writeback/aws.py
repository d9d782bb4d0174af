"""As much of AWS as a function needs: Lambda's Invoke, and who gives credentials (STS, an agent, an instance).

Every request to Lambda must be signed (Signature Version 4), by keys that are known here, now. The signature is
computed from the description in "Create a signed AWS API request", not by the library that is under test.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, Final, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

import orjson

from tests.receiver import Got, Receiver

Answer = tuple[int, Mapping[str, str], str]
REGION: Final = "eu-west-1"
RESET: Final[Answer] = (0, {}, "")
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    id: str
    secret: str
    token: str = ""

    def environment(self) -> dict[str, str]:
        said = {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_SESSION_TOKEN": self.token}
        return {name: value for name, value in said.items() if value}

    def document(self) -> str:
        """Return them as a container's agent and an instance give them."""
        said = {"AccessKeyId": self.id, "SecretAccessKey": self.secret, "Token": self.token, "Code": "Success"}
        return orjson.dumps({**said, "Expiration": f"{_later():%Y-%m-%dT%H:%M:%SZ}"}).decode()


LONG: Final = Keys(id="AKIACANARY", secret="canary-long")
SHORT: Final = Keys(id="ASIACANARY", secret="canary-short", token="canary-token")


def refusal(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """Return an answer as Lambda refuses: the code in a header, the message in the body."""
    more = {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/coral/", "Content-Type": "application/json"}
    return (
        status,
        {**more, **{k.replace("_", "-"): v for k, v in headers.items()}},
        orjson.dumps({"Message": message}).decode(),
    )


class Aws:
    """Functions by name, or `name:alias`, each with the events in its queue. A context manager.

    `fails` are answers that are given first; with `accepts` the event is in the queue all the same. `hold` keeps
    answers back until it is set.
    """

    def __init__(self, *functions: str) -> None:
        self.queues: dict[str, list[Any]] = {one: [] for one in functions}
        self.tried: list[str] = []
        self.fails: list[Answer] = []
        self.accepts = False
        self.hold: Event | None = None
        self._receiver = Receiver(reply=self._answer)
        self.url = self._receiver.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.hold is not None:
            self.hold.set()
        self._receiver.close()

    def _answer(self, got: Got) -> Answer:
        path = urlsplit(got.path).path
        match got.method, path:
            case "GET", "/container" if got.headers.get("authorization") == "canary-pod":
                return 200, {}, SHORT.document()
            case "PUT", "/latest/api/token":
                return 200, {}, "canary-instance"
            case "GET", "/latest/meta-data/iam/security-credentials/" if _is_instance(got):
                return 200, {}, "gitops-bot"
            case "GET", "/latest/meta-data/iam/security-credentials/gitops-bot" if _is_instance(got):
                return 200, {}, SHORT.document()
            case "POST", "/":
                return _assumed(parse_qs(got.body.decode()))
            case "POST", _ if path.startswith("/2015-03-31/functions/") and path.endswith("/invocations"):
                return self._invoked(unquote(path.split("/")[3]), got)
        return 404, {}, ""

    def _invoked(self, function: str, got: Got) -> Answer:
        if said := _unsigned(got):
            return said
        kind = got.headers.get("x-amz-invocation-type")
        fails = self.fails.pop(0) if self.fails else None
        name = function.rpartition(":function:")[2]
        if fails is None and name not in self.queues:
            return refusal(404, "ResourceNotFoundException", f"Function not found: {function}")
        if kind == "DryRun":
            self.tried.append(name)
        elif fails is None or self.accepts:
            assert kind == "Event"
            self.queues[name].append(got.json())
        if self.hold is not None:
            self.hold.wait()
        return fails or ((204 if kind == "DryRun" else 202), {}, "")


def _unsigned(got: Got) -> Answer | None:
    """Return how a request is refused whose signature is not right."""
    scheme, _, rest = got.headers.get("authorization", "").partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    said = dict(part.strip().split("=", 1) for part in rest.split(","))
    key_id, scope = said["Credential"].split("/", 1)
    keys = next((one for one in (LONG, SHORT) if one.id == key_id), None)
    if keys is None or got.headers.get("x-amz-security-token", "") != keys.token:
        return refusal(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    at = datetime.strptime(got.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(datetime.now(UTC) - at) > _SKEW or scope != f"{at:%Y%m%d}/{REGION}/lambda/aws4_request":
        return refusal(403, "InvalidSignatureException", "Credential should be scoped to a valid region.")
    signed = said["SignedHeaders"].split(";")
    assert {"host", "x-amz-date"} <= set(signed)
    if keys.token:
        assert "x-amz-security-token" in signed
    path, _, query = got.path.partition("?")
    canonical = "\n".join(
        [
            got.method,
            quote(path, safe="/-_.~"),  # each part once more: only S3 signs a path as it is
            "&".join(sorted(query.split("&"))),
            *(f"{name}:{' '.join(got.headers[name].split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(got.body).hexdigest(),
        ]
    )
    text = f"AWS4-HMAC-SHA256\n{at:%Y%m%dT%H%M%SZ}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{keys.secret}".encode()
    for part in [*scope.split("/"), text]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if hmac.compare_digest(key.hex(), said["Signature"]):
        return None
    # As AWS has it: the canonical request is in the message, and so is the session token.
    return refusal(403, "InvalidSignatureException", f"The request signature does not match. Canonical: {canonical}")


def _assumed(form: Mapping[str, list[str]]) -> Answer:
    """Return what STS says to a web identity (IRSA)."""
    assert form["Action"] == ["AssumeRoleWithWebIdentity"]
    if form["WebIdentityToken"] != ["canary-jwt"]:
        error = "<Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>canary</Message></Error>"
        return 400, {"Content-Type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>"
    keys = (
        f"<AccessKeyId>{SHORT.id}</AccessKeyId><SecretAccessKey>{SHORT.secret}</SecretAccessKey>"
        f"<SessionToken>{SHORT.token}</SessionToken><Expiration>{_later():%Y-%m-%dT%H:%M:%SZ}</Expiration>"
    )
    user = f"<AssumedRoleUser><AssumedRoleId>A:b</AssumedRoleId><Arn>{form['RoleArn'][0]}</Arn></AssumedRoleUser>"
    result = (
        f"<AssumeRoleWithWebIdentityResult><Credentials>{keys}</Credentials>{user}</AssumeRoleWithWebIdentityResult>"
    )
    namespace = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
    return 200, {}, f"<AssumeRoleWithWebIdentityResponse {namespace}>{result}</AssumeRoleWithWebIdentityResponse>"


def _is_instance(got: Got) -> bool:
    return got.headers.get("x-aws-ec2-metadata-token") == "canary-instance"


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=6)
