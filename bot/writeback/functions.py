"""AWS Lambda: a function is invoked with the CloudEvent that webhooks get. The only file that knows AWS.

Source: Lambda API, "Invoke". `InvocationType: Event` puts the event into the function's queue (202), `DryRun` only
tries whether we may (204). Who we are is found by botocore's chain: environment, shared profile, web identity (IRSA),
container (EKS Pod Identity), instance. botocore is imported by the first event: a quarter of a second that the start
of the bot does not pay.

Credentials that are missing or have run out are no refusal: they come and go by themselves, so the event waits, and
the chain is asked from its beginning. No text of AWS is passed on but who it takes us for: what it says of a wrong
signature contains the session token.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bot.errors import DeliveryFailed
from bot.model.announcement import WriteBack
from bot.ports.tracing import UNTRACED, Tracer
from bot.writeback.events import cloud_event

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

MISSING: Final = "functions need botocore: pip install 'gitops-bot[aws]'"
_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 5.0
_RENEWED_SECONDS: Final = 60.0  # people and token files renew credentials, not we
_WHO: Final = re.compile(r"User: (arn:\S+) is not authorized")
_ACCEPTED: Final = {"Event": 202, "DryRun": 204}


def missing() -> str:
    """Return "" when functions can be invoked, otherwise what to say."""
    return "" if importlib.util.find_spec("botocore") else MISSING


class LambdaTarget:
    """Invokes one function: `function` is its name, `name:alias` or ARN; `endpoint_url` "" is AWS's own."""

    def __init__(
        self,
        *,
        function: str,
        region: str,
        endpoint_url: str = "",
        patience_seconds: float = _READ_SECONDS,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._function, self._region, self._endpoint_url = function, region, endpoint_url
        self._tracer = tracer
        self._patience_seconds = patience_seconds
        self._client: Any = None

    def send(self, back: WriteBack) -> None:
        self._invoke("Event", cloud_event(back, origin=self._tracer.origin(back.operation)))

    def check(self) -> str:
        """Return what stands in the way of an invocation, "" when nothing does. The function does not run."""
        try:
            self._invoke("DryRun", b"{}")
        except DeliveryFailed as error:
            return str(error)
        return ""

    def _invoke(self, kind: str, payload: bytes) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            self._client = self._client or self._connected()
            answer = self._client.invoke(FunctionName=self._function, InvocationType=kind, Payload=payload)
        except ClientError as error:
            raise self._refused(error, len(payload)) from error
        except (BotoCoreError, ResponseParserError, OSError, ValueError) as error:
            # The last two are of credentials: a token file that is not there, an agent at an address of no agent.
            raise self._unsent(error) from error
        if answer["StatusCode"] != _ACCEPTED[kind]:
            raise self._failed(f"answers {answer['StatusCode']}: nothing there speaks for Lambda; check endpoint_url")

    def _connected(self) -> Any:
        from botocore.config import Config
        from botocore.session import Session

        logging.getLogger("botocore").setLevel(logging.ERROR)  # it logs headers, with the session token
        session = Session()
        # Of STS too, which is asked for the credentials of a web identity. The outbox has the retries.
        limits = Config(
            connect_timeout=_CONNECT_SECONDS, read_timeout=self._patience_seconds, retries={"total_max_attempts": 1}
        )
        session.set_default_client_config(limits)
        return session.create_client("lambda", region_name=self._region, endpoint_url=self._endpoint_url or None)

    def _refused(self, error: ClientError, size: int) -> DeliveryFailed:
        """Return what an answer of AWS means for the delivery: with a time to try again where that may help."""
        code = str(error.response.get("Error", {}).get("Code", ""))
        about = error.response.get("ResponseMetadata", {})
        status = int(about.get("HTTPStatusCode", 0))
        if error.operation_name != "Invoke":
            return self._renewed(f"AWS gives no credentials ({error.operation_name} answers {code or status})")
        if code == "AccessDeniedException":
            found = _WHO.search(str(error.response["Error"].get("Message")))
            who = found[1] if found else "who the credentials belong to"
            return self._failed(f"{who} may not invoke it: allow lambda:InvokeFunction on {self._function}")
        if status in {401, 403}:
            return self._renewed(f"AWS does not accept the credentials ({code or status}): renew them")
        if status == 404:
            return self._failed(f"{self._where()} has no such function or alias: check function and region")
        if status == 413:
            return self._failed(f"the event of {size:,} bytes is larger than Lambda takes of asynchronous events")
        if status in {408, 409, 429} or status >= 500:
            after = str(about.get("HTTPHeaders", {}).get("retry-after", ""))
            seconds = float(after) if after.isdecimal() else _RETRY_SECONDS
            return self._failed(f"answers {code or status}", after=seconds)
        return self._failed(f"answers {code or status}: check this write-back")

    def _unsent(self, error: Exception) -> DeliveryFailed:
        """Return why there is no answer at all."""
        from botocore import exceptions as botocore

        if isinstance(error, botocore.NoCredentialsError):
            way = "give the pod a role (IRSA, EKS Pod Identity), or set AWS_PROFILE or AWS_ACCESS_KEY_ID"
            return self._renewed(f"there are no AWS credentials: {way}")
        if isinstance(error, botocore.ConnectionError | botocore.HTTPClientError):
            url = error.kwargs.get("endpoint_url")  # maybe of STS, without whose credentials nothing is sent
            place = urlsplit(str(url)).netloc or self._where()
            return self._failed(f"{place} cannot be reached: {type(error).__name__}", after=_RETRY_SECONDS)
        of = f" of {error.filename}" if isinstance(error, OSError) and error.filename else ""
        why = f"AWS gives no credentials ({type(error).__name__}{of})"
        return self._renewed(f"{why}: check the environment and profile")

    def _where(self) -> str:
        """Return the host that is asked: a variable for another service may have moved it."""
        return urlsplit(self._client.meta.endpoint_url).netloc if self._client is not None else self._region

    def _renewed(self, why: str) -> DeliveryFailed:
        self._client = None
        return self._failed(why, after=_RENEWED_SECONDS)

    def _failed(self, why: str, *, after: float | None = None) -> DeliveryFailed:
        return DeliveryFailed(f"lambda {self._function}: {why}", retry_after_seconds=after)
