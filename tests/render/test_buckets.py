"""Charts from a bucket that checks signatures as S3 does (AWS Signature V4), pulled by the real helm over TLS."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from bot.errors import ChartRefused, ChartUnreachable
from bot.model.app import HelmSpec
from bot.render.charts import Charts
from bot.render.programs import Limits, Programs
from tests.https import Certificate, HttpsServer, Reply, Request, make_certificate
from tests.render.test_charts import Clock, archive
from tests.tools.building import program

pytestmark = pytest.mark.tools

HOUR = timedelta(hours=1)
KEY, SECRET, SESSION, POD = "AKIDEXAMPLE", "canary-secret", "canary-session", "canary-pod-token"
REGION = "eu-central-1"
_SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=(\S+?)/(\S+?), ?SignedHeaders=(\S+?), ?Signature=([0-9a-f]{64})")


def signature(request: Request, scope: str, signed: str) -> str:
    """Return what S3 computes of a request (Amazon S3 API Reference, "Authenticating Requests")."""
    headers = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    lines = [request.method, request.path, request.query, *(f"{name}:{headers[name]}" for name in signed.split(";"))]
    canonical = "\n".join([*lines, "", signed, headers["x-amz-content-sha256"]])
    wanted = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    key = f"AWS4{SECRET}".encode()
    for part in [*scope.split("/"), "\n".join(wanted)]:
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


class Bucket:
    """The bucket `acme` of one region, with objects by key, and the credentials of a pod beside it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.session = ""
        self.status = 0

    def add(self, *versions: str) -> None:
        """Put charts and their index there, with the addresses that the plugins of the field write."""
        lines = ["apiVersion: v1", "entries:", "  shop:"]
        for version in versions:
            self.objects[f"charts/shop-{version}.tgz"] = archive(version)
            lines += ["  - apiVersion: v2", "    name: shop", f"    version: {version}"]
            lines += [f"    urls: ['s3://acme/charts/shop-{version}.tgz']"]
        self.objects["charts/index.yaml"] = "\n".join(lines).encode()

    def answer(self, request: Request) -> Reply:
        if request.path == "/pod":
            if request.headers.get("authorization") != POD:
                return Reply(401)
            issued = {
                "AccessKeyId": KEY,
                "SecretAccessKey": SECRET,
                "Token": SESSION,
                "Expiration": "2099-01-01T00:00:00Z",
            }
            return Reply(200, orjson.dumps(issued))
        if self.status:
            return Reply(self.status)
        if not self._is_allowed(request):
            return Reply(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        found = self.objects.get(request.path.removeprefix("/acme/"))
        if found is None:
            return Reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return Reply(200, found, {"ETag": '"1"', "Last-Modified": "Sun, 01 Mar 2026 12:00:00 GMT"})

    def _is_allowed(self, request: Request) -> bool:
        headers = {name.lower(): value for name, value in request.headers.items()}
        found = _SIGNED.fullmatch(headers.get("authorization", ""))
        if found is None or headers.get("x-amz-security-token", "") != self.session:
            return False
        key, scope, signed, given = found.groups()
        return (
            key == KEY and scope.endswith(f"/{REGION}/s3/aws4_request") and given == signature(request, scope, signed)
        )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def server(bucket: Bucket, certificate: Certificate) -> Iterator[HttpsServer]:
    made = HttpsServer(bucket.answer, certificate)
    yield made
    made.stop()


@pytest.fixture
def environment(server: HttpsServer, certificate: Certificate) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL_S3": server.url, "AWS_REGION": REGION, "SSL_CERT_FILE": str(certificate.certificate)}


KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


def charts(folder: Path, environment: Mapping[str, str], clock: Clock | None = None) -> Charts:
    return Charts(
        Programs(paths={"helm": program("helm")}, limits=Limits()),
        folder=folder / "charts",
        clock=clock or Clock(),
        secret=lambda name: "",
        environment=environment,
    )


def spec(version: str, chart: str = "shop") -> HelmSpec:
    return HelmSpec(chart=chart, repo="s3://acme/charts", version=version)


def test_chart_in_a_bucket_is_pulled_with_the_keys_of_the_environment(
    bucket: Bucket, environment: dict[str, str], tmp_path: Path
) -> None:
    bucket.add("1.2.0", "1.10.0", "2.0.0")
    made = charts(tmp_path, environment | KEYS)
    assert made.chart(spec("1.x"), max_age=HOUR).version == "1.10.0"
    assert made.chart(spec("1.2.0"), max_age=HOUR).file.read_bytes() == bucket.objects["charts/shop-1.2.0.tgz"]


def test_chart_in_a_bucket_is_pulled_with_the_identity_of_the_pod(
    bucket: Bucket, server: HttpsServer, environment: dict[str, str], tmp_path: Path
) -> None:
    bucket.add("1.2.0")
    bucket.session = SESSION
    token = tmp_path / "token"
    token.write_text(POD)
    pod = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/pod",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }
    assert charts(tmp_path, environment | pod).chart(spec("1.x"), max_age=HOUR).version == "1.2.0"


def test_bucket_that_refuses_or_lacks_something_says_so_without_showing_secrets(
    bucket: Bucket, environment: dict[str, str], tmp_path: Path
) -> None:
    bucket.add("1.2.0")
    wrong = charts(tmp_path, environment | KEYS | {"AWS_SECRET_ACCESS_KEY": "canary-wrong"})
    with pytest.raises(ChartRefused, match="does not accept the credentials of the environment") as refused:
        wrong.chart(spec("1.x"), max_age=HOUR)
    assert "canary" not in str(refused.value)
    made = charts(tmp_path, environment | KEYS)
    with pytest.raises(ChartRefused, match=r"chart shop 9\.x of s3://acme/charts: .*; check chart, version and repo"):
        made.chart(spec("9.x"), max_age=HOUR)
    del bucket.objects["charts/index.yaml"]
    with pytest.raises(ChartRefused, match="there is no such object"):
        made.chart(spec("1.3.x"), max_age=HOUR)


def test_bucket_that_is_away_leaves_the_chart_of_before(
    bucket: Bucket, environment: dict[str, str], tmp_path: Path
) -> None:
    bucket.add("1.2.0")
    clock = Clock()
    made = charts(tmp_path, environment | KEYS, clock)
    before = made.chart(spec("1.x"), max_age=HOUR)
    bucket.status = 503
    clock.now += HOUR
    assert made.chart(spec("1.x"), max_age=HOUR) == before
    with pytest.raises(ChartUnreachable, match="tried again by itself"):
        made.chart(spec("1.3.x"), max_age=HOUR)
