"""Charts from an HTTP repository and an OCI registry, pulled by the real helm over TLS with credentials."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from bot.errors import ChartRefused, ChartUnreachable
from bot.model.app import HelmSpec, Render
from bot.render.charts import Charts
from bot.render.programs import Limits, Programs
from bot.sandbox.connections import ReservedPort
from tests.https import PASSWORD, USER, Certificate, HttpsServer, Reply, Request, make_certificate
from tests.render.worlds import APP, render, renderer
from tests.tools.building import program
from tests.waiting import until

pytestmark = pytest.mark.tools

HOUR = timedelta(hours=1)
BCRYPT = "$2a$05$MiKHdgvt.NH4YuhlWxpIBuSY8R7LmiOH9HMtdxPZWrbw/8wggQSUK"  # of PASSWORD
TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {version: {{ .Chart.Version | quote }}}\n"


def archive(version: str, name: str = "shop") -> bytes:
    """Return a packaged chart."""
    files = {
        f"{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n",
        f"{name}/templates/a.yaml": TEMPLATE,
    }
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(text)
            tar.addfile(info, BytesIO(text.encode()))
    return buffer.getvalue()


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class HttpRepository:
    """An index.yaml and the archives it lists."""

    def __init__(self) -> None:
        self.charts: dict[str, bytes] = {}
        self.status = 200

    def add(self, version: str) -> None:
        self.charts[version] = archive(version)

    def answer(self, request: Request) -> Reply:
        if self.status != 200:
            return Reply(self.status)
        if request.path == "/charts/index.yaml":
            lines = ["apiVersion: v1", "entries:", "  shop:"]
            for version in self.charts:
                lines += [
                    "  - apiVersion: v2",
                    "    name: shop",
                    f"    version: {version}",
                    f"    urls: [shop-{version}.tgz]",
                ]
            return Reply(200, "\n".join(lines).encode())
        version = request.path.removeprefix("/charts/shop-").removesuffix(".tgz")
        return Reply(200, self.charts[version]) if version in self.charts else Reply(404)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def repository() -> HttpRepository:
    return HttpRepository()


@pytest.fixture
def server(repository: HttpRepository, certificate: Certificate) -> Iterator[HttpsServer]:
    made = HttpsServer(repository.answer, certificate, private=True)
    yield made
    made.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def charts(tmp_path: Path, clock: Clock) -> Charts:
    return at(tmp_path, clock, {"CHARTS_TOKEN": PASSWORD})


def at(folder: Path, clock: Clock, secrets: dict[str, str]) -> Charts:
    programs = Programs(paths={"helm": program("helm")}, limits=Limits())
    return Charts(
        programs, folder=folder / "charts", clock=clock, secret=lambda name: secrets.get(name, ""), environment={}
    )


def spec(server_url: str, certificate: Certificate, version: str = "1.x") -> HelmSpec:
    return HelmSpec(
        chart="shop",
        repo=f"{server_url}/charts",
        version=version,
        username=USER,
        password_env="CHARTS_TOKEN",
        ca_file=str(certificate.certificate),
    )


def test_range_is_resolved_once_per_age_and_an_exact_version_once(
    repository: HttpRepository, server: HttpsServer, certificate: Certificate, charts: Charts, clock: Clock
) -> None:
    for version in ("1.2.0", "1.10.0", "2.0.0", "1.11.0-rc.1"):
        repository.add(version)
    ranged, exact = spec(server.url, certificate), spec(server.url, certificate, "1.2.0")
    assert charts.chart(ranged, max_age=HOUR).version == "1.10.0"
    assert charts.chart(exact, max_age=HOUR).version == "1.2.0"
    asked = len(server.requests)
    repository.add("1.12.0")
    assert charts.chart(ranged, max_age=HOUR).version == "1.10.0"
    assert charts.chart(exact, max_age=HOUR).version == "1.2.0"
    assert len(server.requests) == asked
    clock.now += HOUR
    assert charts.chart(ranged, max_age=HOUR).version == "1.12.0"
    asked = len(server.requests)
    assert charts.chart(exact, max_age=HOUR).version == "1.2.0"
    assert len(server.requests) == asked


def test_new_process_finds_what_was_pulled(
    repository: HttpRepository,
    server: HttpsServer,
    certificate: Certificate,
    charts: Charts,
    clock: Clock,
    tmp_path: Path,
) -> None:
    repository.add("1.2.0")
    first = charts.chart(spec(server.url, certificate, "1.2.0"), max_age=HOUR)
    repository.status = 503
    assert at(tmp_path, clock, {}).chart(spec(server.url, certificate, "1.2.0"), max_age=HOUR) == first


def test_registry_that_is_away_leaves_the_chart_of_before(
    repository: HttpRepository,
    server: HttpsServer,
    certificate: Certificate,
    charts: Charts,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    repository.add("1.2.0")
    before = charts.chart(spec(server.url, certificate), max_age=HOUR)
    repository.status = 503
    clock.now += HOUR
    assert charts.chart(spec(server.url, certificate), max_age=HOUR) == before
    assert "the chart of before is used" in caplog.text
    with pytest.raises(ChartUnreachable, match="tried again by itself"):
        charts.chart(spec(server.url, certificate, "1.3.x"), max_age=HOUR)


def test_wrong_password_and_missing_version_are_refused_without_showing_secrets(
    repository: HttpRepository,
    server: HttpsServer,
    certificate: Certificate,
    charts: Charts,
    clock: Clock,
    tmp_path: Path,
) -> None:
    repository.add("1.2.0")
    with pytest.raises(
        ChartRefused, match=r"chart shop 9\.x of https://localhost:\d+/charts: .*9\.x.*; check chart, version"
    ):
        charts.chart(spec(server.url, certificate, "9.x"), max_age=HOUR)
    with pytest.raises(ChartRefused, match="does not accept our user and password") as refused:
        at(tmp_path / "other", clock, {"CHARTS_TOKEN": "wr0ng"}).chart(spec(server.url, certificate), max_age=HOUR)
    assert "wr0ng" not in str(refused.value)
    with pytest.raises(ChartRefused, match="certificate"):
        charts.chart(replace(spec(server.url, certificate), ca_file=""), max_age=HOUR)


def test_password_is_never_on_a_command_line(
    repository: HttpRepository, server: HttpsServer, certificate: Certificate, charts: Charts
) -> None:
    """Whoever can list processes on the machine must not learn it."""
    seen: list[str] = []

    def look(request: Request) -> Reply:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(file.read_bytes().decode(errors="replace"))
            except OSError:
                continue  # it ended while we looked
        return repository.answer(request)

    repository.add("1.2.0")
    spy = HttpsServer(look, certificate, private=True)
    try:
        charts.chart(spec(spy.url, certificate), max_age=HOUR)
    finally:
        spy.stop()
    assert any("helm" in line for line in seen)
    assert not any(PASSWORD in line for line in seen)


def test_pulled_chart_is_rendered_with_its_archive_as_origin(
    repository: HttpRepository, server: HttpsServer, certificate: Certificate, tmp_path: Path
) -> None:
    repository.add("1.2.0")
    tool = renderer(tmp_path, environment={"CHARTS_TOKEN": PASSWORD})
    state = render({"app/readme": ""}, with_=tool, render=Render.HELM, helm=spec(server.url, certificate))
    assert [(str(one.origin), one.body["data"]) for one in state.manifests] == [
        ("shop-1.2.0.tgz/templates/a.yaml:1", {"version": "1.2.0"})
    ]
    assert len(tool.resolved(replace(APP, render=Render.HELM, helm=spec(server.url, certificate)))) == 64


# --- OCI --------------------------------------------------------------------------------------------------------------


class Registry:
    """The real distribution registry with TLS and a password."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self._folder, self._reserved = folder, ReservedPort()
        self.port = self._reserved.number
        (folder / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
        config = folder / "config.yml"
        config.write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nlog: {{level: error}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}', "
            f"tls: {{certificate: {certificate.certificate}, key: {certificate.key}}}}}\n"
            f"auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n"
        )
        environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
        self._log = (folder / "log").open("wb")
        command = [program("registry"), "serve", str(config)]
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)
        until(self._answers, "the registry takes connections")

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        return self._reserved.is_served()

    def push(self, version: str, folder: Path, certificate: Certificate) -> None:
        file = folder / f"shop-{version}.tgz"
        file.write_bytes(archive(version))
        home = {"HOME": str(folder), "PATH": os.environ["PATH"]}
        login = ["--username", USER, "--password", PASSWORD, "--ca-file", str(certificate.certificate)]
        subprocess.run(
            [program("helm"), "push", str(file), f"oci://localhost:{self.port}/charts", *login],
            env=home, check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
        self._log.close()
        self._reserved.close()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    made = Registry(folder, certificate)
    for version in ("1.2.0", "1.10.0", "2.0.0"):
        made.push(version, folder, certificate)
    yield made
    made.stop()


def oci(registry: Registry, certificate: Certificate, version: str) -> HelmSpec:
    return replace(spec("", certificate, version), repo=f"oci://localhost:{registry.port}/charts")


@pytest.mark.parametrize(
    ("wanted", "found"), [("1.2.0", "1.2.0"), ("1.x", "1.10.0"), (">=1.2, <3", "2.0.0"), ("", "2.0.0")]
)
def test_oci_chart_is_pulled_by_version_or_range(
    wanted: str, found: str, registry: Registry, certificate: Certificate, charts: Charts
) -> None:
    chart = charts.chart(oci(registry, certificate, wanted), max_age=HOUR)
    assert (chart.name, chart.version) == ("shop", found)
    assert chart.file.read_bytes() == (chart.file.parent / f"{chart.digest}.tgz").read_bytes()


def test_oci_registry_refuses_a_wrong_password_and_an_unknown_chart(
    registry: Registry, certificate: Certificate, charts: Charts, clock: Clock, tmp_path: Path
) -> None:
    with pytest.raises(ChartRefused, match="does not accept our user and password"):
        at(tmp_path / "other", clock, {"CHARTS_TOKEN": "wr0ng"}).chart(oci(registry, certificate, "1.x"), max_age=HOUR)
    with pytest.raises(ChartRefused, match=r"chart cart 1\.x of oci://localhost"):
        charts.chart(replace(oci(registry, certificate, "1.x"), chart="cart"), max_age=HOUR)
