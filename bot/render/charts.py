"""Helm charts of OCI registries, HTTP repositories and buckets, pulled by the real helm, kept by their digest.

In goes what the configuration says of a chart, out comes a file on our disk with its version and SHA-256. An exact
version is pulled once; a range is resolved again when the answer is older than `max_age`. Credentials reach helm in
files of a private folder, never on a command line, and only for the host they are for.

When a range cannot be resolved because the registry is away, the last answer is used and the log says so: the cluster
must not drift because a registry is down.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from bot.errors import ChartRefused, ChartUnreachable
from bot.model.app import HelmSpec
from bot.render import buckets
from bot.render.documents import read_bytes
from bot.render.programs import ProgramFailed, Programs

log = logging.getLogger(__name__)

_EXACT: Final = re.compile(r"v?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?")
_HANDED_ON: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
_AWAY: Final = re.compile(
    r"no such host|connection refused|timeout|deadline exceeded|connection reset|EOF|unreachable|did not end within"
    r"|\b5\d\d |error sending request|Temporary failure|TLS handshake|status code 5\d\d|too many requests",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(r"\b401\b|\b403\b|unauthorized|denied|forbidden|authentication required", re.IGNORECASE)
_REPO: Final = "charts"  # what the repository is called in helm's private configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart on our disk: `file` is its archive, named after `digest` (64 hex digits)."""

    name: str
    version: str
    digest: str
    file: Path


class Charts:
    """Pulls and keeps charts below `folder`. Safe to use from several threads."""

    def __init__(
        self,
        programs: Programs,
        *,
        folder: Path,
        clock: Callable[[], datetime],
        secret: Callable[[str], str],
        environment: Mapping[str, str],
    ) -> None:
        self._programs = programs
        self._folder = folder
        self._clock = clock
        self._secret = secret
        self._environment = {name: environment[name] for name in _HANDED_ON if name in environment}
        self._cloud = {name: value for name, value in environment.items() if name.startswith(buckets.VARIABLES)}
        self._lock = Lock()
        self._known: dict[str, tuple[datetime, Chart]] = {}  # guarded by _lock
        self._locks: dict[str, Lock] = {}  # one pull of a chart at a time; guarded by _lock

    def chart(self, spec: HelmSpec, *, max_age: timedelta) -> Chart:
        """Return the chart that `spec` names, from our disk where that is allowed. Raises `ChartError`."""
        key = hashlib.sha256("\0".join((spec.repo, spec.chart, spec.version)).encode()).hexdigest()
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            known = self._known.get(key) or self._recorded(key)
            exact = _EXACT.fullmatch(spec.version) is not None
            if known is not None and known[1].file.exists() and (exact or self._clock() - known[0] < max_age):
                return known[1]
            try:
                chart = self._pull(spec)
            except ChartUnreachable as error:
                if known is None or not known[1].file.exists():
                    raise
                log.warning("%s; the chart of before is used", error)
                chart = known[1]
            self._record(key, chart)
            return chart

    # --- our disk ---------------------------------------------------------------------------------------------

    def _recorded(self, key: str) -> tuple[datetime, Chart] | None:
        try:
            facts = orjson.loads((self._folder / f"{key}.json").read_bytes())
            found = datetime.fromisoformat(facts["at"]), self._at(facts["name"], facts["version"], facts["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a record that cannot be read is one that is not there
        return found

    def _record(self, key: str, chart: Chart) -> None:
        at = self._clock()
        self._known[key] = (at, chart)
        facts = {"at": at.isoformat(), "name": chart.name, "version": chart.version, "digest": chart.digest}
        draft = self._folder / f"{key}.{os.getpid()}.draft"
        draft.write_bytes(orjson.dumps(facts))
        draft.replace(self._folder / f"{key}.json")

    def _at(self, name: str, version: str, digest: str) -> Chart:
        return Chart(name=name, version=version, digest=digest, file=self._folder / f"{digest}.tgz")

    def _keep(self, archive: Path, spec: HelmSpec) -> Chart:
        data = archive.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        facts = chart_facts(archive)
        name, version = facts.get("name"), facts.get("version")
        if not isinstance(name, str) or not isinstance(version, str):
            raise ChartRefused(f"chart {spec.chart} of {spec.repo} has no name or version in its Chart.yaml")
        chart = self._at(name, version, digest)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f"{digest}.{os.getpid()}.draft"
        shutil.copyfile(archive, draft)
        draft.replace(chart.file)
        return chart

    # --- the registry -----------------------------------------------------------------------------------------

    def _pull(self, spec: HelmSpec) -> Chart:
        with tempfile.TemporaryDirectory(prefix="gitops-bot-") as name:
            home = Path(name)
            target = home / "pulled"
            target.mkdir()
            options = [f"--destination={target}"]
            if spec.version:
                options.append(f"--version={spec.version}")
            if spec.repo.startswith("oci://"):
                self._log_in(spec, home)
                ca = [f"--ca-file={spec.ca_file}"] if spec.ca_file else []
                self._helm(["pull", f"{spec.repo.rstrip('/')}/{spec.chart}", *options, *ca], spec, home)
            else:
                if spec.is_bucket:
                    if why := buckets.missing():
                        raise ChartRefused(f"chart {spec.chart} of {spec.repo}: {why}")
                    buckets.write_plugin(home / "plugins")
                self._add_repository(spec, home)
                self._helm(["repo", "update", _REPO], spec, home)
                self._helm(["pull", f"{_REPO}/{spec.chart}", *options], spec, home)
            archives = sorted(target.glob("*.tgz"))
            if not archives:
                raise ChartRefused(f"chart {spec.chart} of {spec.repo}: helm pulled nothing")
            return self._keep(archives[0], spec)

    def _log_in(self, spec: HelmSpec, home: Path) -> None:
        if not spec.username:
            return
        host = urlsplit(spec.repo).netloc
        login = base64.b64encode(f"{spec.username}:{self._secret(spec.password_env)}".encode()).decode()
        self._write(home / "registry.json", orjson.dumps({"auths": {host: {"auth": login}}}))

    def _add_repository(self, spec: HelmSpec, home: Path) -> None:
        entry: dict[str, Any] = {"name": _REPO, "url": spec.repo}
        if spec.username:
            entry |= {"username": spec.username, "password": self._secret(spec.password_env)}
        if spec.ca_file:
            entry["caFile"] = spec.ca_file
        self._write(home / "repositories.yaml", orjson.dumps({"apiVersion": "", "repositories": [entry]}))

    def _write(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)

    def _helm(self, arguments: list[str], spec: HelmSpec, home: Path) -> None:
        environment = {
            **self._environment,
            "HELM_REGISTRY_CONFIG": str(home / "registry.json"),
            "HELM_REPOSITORY_CONFIG": str(home / "repositories.yaml"),
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
            "HELM_PLUGINS": str(home / "plugins"),
            **(self._cloud if spec.is_bucket else {}),
        }
        try:
            done = self._programs.run("helm", arguments, cwd=home, home=home, environment=environment)
        except ProgramFailed as error:
            kind = ChartUnreachable if "did not end within" in str(error) else ChartRefused
            raise kind(f"chart {spec.chart} of {spec.repo}: {error}") from error
        if done.status != 0:
            raise self._failure(spec, f"{_why_no_update(done.output)}{done.complaint}")

    def _failure(self, spec: HelmSpec, complaint: str) -> ChartRefused | ChartUnreachable:
        secret = self._secret(spec.password_env) if spec.password_env else ""
        clean = complaint.replace(secret, "***") if secret else complaint
        lines = [line.removeprefix("Error: ").strip() for line in clean.splitlines() if line.strip()]
        said = [line for line in lines if not line.startswith(("level=", "WARNING"))]
        ours = [line for line in said if line.startswith("s3://")]  # helm says of a plugin that it failed, not why
        reason = next(iter([*ours, *said]), "no reason given")[:300]
        what = f"chart {spec.chart}{' ' + spec.version if spec.version else ''} of {spec.repo}"
        if _DENIED.search(reason):
            login = "the credentials of the environment" if spec.is_bucket else "our user and password"
            return ChartRefused(f"{what}: the registry does not accept {login} ({reason})")
        if _AWAY.search(reason):
            return ChartUnreachable(f"{what}: {reason}; tried again by itself")
        return ChartRefused(f"{what}: {reason}; check chart, version and repo")


def _why_no_update(output: bytes) -> str:
    """Return what `helm repo update` says on standard output of why a repository did not answer."""
    return output.decode("utf-8", errors="replace").partition("Unable to get an update")[2].partition(":\n")[2]


def chart_facts(archive: Path) -> Mapping[str, Any]:
    """Return the Chart.yaml of a chart's archive, empty when there is none that can be read."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.isfile() and re.fullmatch(r"[^/]+/Chart\.yaml", member.name.removeprefix("./")):
                    file = tar.extractfile(member)
                    documents = read_bytes(file.read(1_000_000)).documents if file is not None else ()
                    value = documents[0].value if documents else None
                    return value if isinstance(value, Mapping) else {}
    except (tarfile.TarError, OSError, EOFError):
        return {}
    return {}
