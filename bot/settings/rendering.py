"""How files become objects."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from bot.settings.git import Login
from bot.settings.values import Duration, Names, Section, path_in


class Helm(Section):
    """A chart; relative paths begin at the app's path, those with a leading slash at the repository's root."""

    chart: str = "."
    """Its folder in the Git repository, or its name in `repo`."""
    version: str = ""
    """Exact, or a range such as `1.2.x`; the newest where none is given. For a chart in `repo`."""
    repo: str = ""
    """`oci://…`, `https://…` or `s3://bucket/path`; empty for a chart in the Git repository."""
    values: Names = ()
    """Files of values; later ones win."""
    release: str = ""
    """Name of the release; the app's where none is given."""
    credentials: Login = Login()

    @model_validator(mode="after")
    def _usable(self) -> Helm:
        scheme = self.repo.partition("://")[0] if self.repo else ""
        if scheme not in {"", "oci", "https", "http", "s3"}:
            raise ValueError("repo must be oci://…, https://… or s3://…")
        if scheme == "s3" and self.credentials != Login():
            raise ValueError("a bucket is read with the credentials of the environment (AWS_…) or of the pod")
        if scheme == "http" and self.credentials.username:
            raise ValueError("credentials would travel in clear over http://: use https://")
        if self.version and not self.repo:
            raise ValueError("version is for a chart with repo: one in the repository has the version of the commit")
        if self.repo and (self.chart.startswith((".", "/", "-")) or not self.chart):
            raise ValueError("chart must be its name in repo")
        return self


class Kustomize(Section):
    """What kustomize may fetch."""

    remote_hosts: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], ...], Field(strict=False)] = ()
    """Hosts whose repositories bases may be fetched from. None: remote bases are refused."""


class Programs(Section):
    """The tools that render: where they are, and what one run may use."""

    kustomize: str = ""
    """Path of the program; looked for on the `PATH` where none is given."""
    helm: str = ""
    """Path of the program; looked for on the `PATH` where none is given."""
    sops: str = ""
    """Path of the program; looked for on the `PATH` where none is given."""
    timeout: Duration = timedelta(seconds=60)
    """Of one run."""
    memory_mib: Annotated[int, Field(ge=64)] = 1024
    """Address space of one run."""

    def path_of(self, name: str, folder: Path) -> str:
        """Return the configured path of a tool as seen from anywhere, "" when none is configured."""
        return path_in(str(getattr(self, name)), folder)
