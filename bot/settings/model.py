"""The configuration file as pydantic models: one class per section, strict, frozen, nothing unknown.

Each field says unit and default where its name does not.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bot.model.app import Window
from bot.model.appset import placeholders_checked
from bot.reconcile import windows

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
APP_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
_NAMESPACE: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


def duration(text: Any) -> timedelta:
    """Read `30s`, `5m`, `1h30m`, `2d`; a timedelta stays what it is. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not text or _DURATION.sub("", text).strip():
        raise ValueError("expected a duration such as 30s, 5m, 2h or 1d")
    return timedelta(seconds=sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(text)))


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


T = TypeVar("T", bound="Section")
Duration = Annotated[timedelta, BeforeValidator(duration, json_schema_input_type=str)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class ClusterDefaults(Section):
    qps: Annotated[float, Field(ge=0)] = 0  # requests a second; 0: the server's own fairness alone


class Cluster(Section):
    name: Annotated[str, Field(pattern=APP_NAME)]
    kubeconfig: str = ""  # path; "" is $KUBECONFIG, then ~/.kube/config
    context: str = ""
    in_cluster: bool = False
    namespace: Annotated[str, Field(pattern=_NAMESPACE)] = "gitops-bot"


class Credentials(Section):
    username: str = ""
    password_env: str = ""  # name of the environment variable that holds the password or token
    ssh_key_file: str = ""
    known_hosts_file: str = ""
    ca_file: str = ""


class Ref(Section):
    """What to follow: exactly one of the four. A range takes the highest tag, after `prefix`, that is inside it."""

    branch: str = ""
    tag: str = ""
    semver: str = ""  # "1.x", ">=1.2 <2", "^1.4"
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    prefix: str = ""  # with semver: what precedes the version in the tags, "shop-v" for shop-v1.2.3

    @model_validator(mode="after")
    def _one(self) -> Ref:
        given = [name for name in ("branch", "tag", "semver", "commit") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("name exactly one of branch, tag, semver and commit")
        if self.prefix and not self.semver:
            raise ValueError("prefix belongs to semver")
        return self


def _with_one_ref(section: T) -> T:
    if {"branch", "ref"} <= section.model_fields_set:
        raise ValueError("branch and ref exclude each other: a branch is also ref: {branch: NAME}")
    return section


class Verify(Section):
    keyring: Annotated[str, Field(min_length=1)]  # file of allowed signers (SSH) or of public keys (PGP)
    mode: Literal["head", "tag", "tag-and-head"] = "head"  # what must be signed: the commit, the tag followed, or both


class Repo(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    url: Annotated[str, Field(min_length=1)]
    branch: str = "main"
    ref: Ref | None = None  # instead of branch
    web_url: str = ""
    credentials: Credentials = Credentials()
    verify: Verify | None = None

    @model_validator(mode="after")
    def _one_ref(self) -> Repo:
        return _with_one_ref(self)

    @property
    def needs_tag(self) -> bool:
        """Whether only what a signed tag leads to is used."""
        return self.verify is not None and self.verify.mode != "head"

    @model_validator(mode="after")
    def _tag_to_verify(self) -> Repo:
        if self.needs_tag and (self.ref is None or self.ref.branch):
            raise ValueError("a verify.mode with tag needs ref: {tag: …} or {semver: …}")
        return self


class Ignore(Section):
    kind: str
    name: str = "*"
    pointers: Annotated[tuple[Annotated[str, Field(pattern=r"^/")], ...], Field(min_length=1, strict=False)]


class AppOncall(Section):
    team: str = ""
    priority: Literal["", "P1", "P2", "P3", "P4", "P5"] = ""


class MaxDelete(Section):
    count: Annotated[int, Field(ge=0)] = 10
    share: Annotated[float, Field(ge=0, le=1)] = 0.66


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {value}: write a name such as Europe/Lisbon") from None
    return value


Zone = Annotated[str, AfterValidator(_zone)]


class SyncWindow(Section):
    kind: Literal["allow", "deny"]
    schedule: str  # five cron fields, read in `timezone`: minute hour day month weekday (0 and 7 are Sunday)
    duration: Duration
    timezone: Zone = "UTC"
    manual: bool = False

    @model_validator(mode="after")
    def _readable(self) -> SyncWindow:
        windows.trigger(self.value())
        return self

    def value(self) -> Window:
        return Window(
            allows=self.kind == "allow",
            schedule=self.schedule,
            duration=self.duration,
            timezone=self.timezone,
            manual=self.manual,
        )


class ApproversSection(Section):
    users: Annotated[tuple[str, ...], Field(strict=False)] = ()
    groups: Annotated[tuple[str, ...], Field(strict=False)] = ()


class AllowedObjects(Section):
    namespaces: Annotated[tuple[str, ...], Field(strict=False)] = ("*",)
    kinds: Annotated[tuple[str, ...], Field(strict=False)] = ("*",)


class ChartCredentials(Section):
    username: str = ""
    password_env: str = ""  # name of the environment variable that holds the password or token
    ca_file: str = ""


class Helm(Section):
    """A chart; relative paths begin at the app's path, those with a leading slash at the repository's root."""

    chart: str = "."
    version: str = ""  # exact, or a range such as 1.2.x; "" is the newest
    repo: str = ""  # oci://… or https://…; "" for a chart in the repository
    values: Annotated[tuple[str, ...], Field(strict=False)] = ()
    release: str = ""  # the app's name
    credentials: ChartCredentials = ChartCredentials()

    @model_validator(mode="after")
    def _usable(self) -> Helm:
        scheme = self.repo.partition("://")[0] if self.repo else ""
        if scheme == "s3":
            raise ValueError("charts are pulled over https:// or oci://: write the bucket's https address")
        if scheme not in {"", "oci", "https", "http"}:
            raise ValueError("repo must be oci://… or https://…")
        if scheme == "http" and self.credentials.username:
            raise ValueError("credentials would travel in clear over http://: use https://")
        if self.version and not self.repo:
            raise ValueError("version is for a chart with repo: one in the repository has the version of the commit")
        if self.repo and (self.chart.startswith((".", "/", "-")) or not self.chart):
            raise ValueError("chart must be its name in repo")
        return self


class Kustomize(Section):
    remote_hosts: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], ...], Field(strict=False)] = ()


class Programs(Section):
    """The tools that render: where they are, and what one run may use."""

    kustomize: str = ""  # path; "" looks on the PATH
    helm: str = ""
    sops: str = ""
    timeout: Duration = timedelta(seconds=60)
    memory_mib: Annotated[int, Field(ge=64)] = 1024

    def path_of(self, name: str, folder: Path) -> str:
        """Return the configured path of a tool as seen from anywhere, "" when none is configured."""
        text = str(getattr(self, name))
        return str(folder / Path(text).expanduser()) if text else ""


class AppKeys(Section):
    """What an app and an app set have in common."""

    repo: str
    branch: str = ""
    ref: Ref | None = None  # instead of branch
    render: Literal["auto", "yaml", "kustomize", "helm"] = "auto"
    helm: Helm | None = None
    kustomize: Kustomize = Kustomize()
    namespace: Annotated[str, Field(pattern=_NAMESPACE)] = "default"
    env: str = ""
    interval: Duration = timedelta(seconds=60)
    timeout: Duration = timedelta(minutes=5)
    prune: bool = True
    self_heal: bool = True
    mode: Literal["auto", "approve"] = "auto"
    approvals: Annotated[int, Field(ge=1, le=10)] = 1
    approvers: ApproversSection | None = None  # instead of the ones for all apps
    depends_on: Annotated[tuple[str, ...], Field(strict=False)] = ()
    channel: str = ""
    oncall: AppOncall = AppOncall()
    ignore: Annotated[tuple[Ignore, ...], Field(strict=False)] = ()
    rollback: Literal["pin"] = "pin"
    max_delete: MaxDelete = MaxDelete()
    allow_empty: bool = False
    adopt: Annotated[tuple[Literal["helm", "flux", "argocd"], ...], Field(strict=False)] = ()
    windows: Annotated[tuple[SyncWindow, ...], Field(strict=False)] = ()
    substitute: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] | None = None
    allowed: AllowedObjects = AllowedObjects()
    service_account: Annotated[str, Field(pattern=r"^([a-z0-9.-]+(/[a-z0-9.-]+)?)?$")] = ""

    @model_validator(mode="after")
    def _one_ref(self) -> AppKeys:
        return _with_one_ref(self)


class App(AppKeys):
    name: Annotated[str, Field(pattern=APP_NAME)]
    cluster: str
    path: str = ""
    moved_from: Annotated[str, Field(pattern=rf"^$|{APP_NAME}")] = ""


class AppSet(AppKeys):
    """Every folder that matches `paths` and not `exclude` becomes an app on every one of `clusters`.

    `{basename}`, `{path}` (with `-` for `/`) and `{cluster}` stand for the folder and the cluster in `name`,
    `namespace`, `env` and `channel`.
    """

    name: str = "{basename}"
    namespace: str = "default"
    paths: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1, strict=False)]
    exclude: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(strict=False)] = ()
    clusters: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]

    @field_validator("name", "namespace", "env", "channel")
    @classmethod
    def _known_placeholders(cls, value: str) -> str:
        return placeholders_checked(value)


class RouteSection(Section):
    """Which apps' messages a channel gets; without `severities` apps live there, with them it gets copies."""

    channel: Annotated[str, Field(min_length=1)]
    apps: Annotated[tuple[str, ...], Field(strict=False)] = ()
    envs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    clusters: Annotated[tuple[str, ...], Field(strict=False)] = ()
    severities: Annotated[tuple[Literal["info", "warning", "failure"], ...], Field(strict=False)] = ()


_Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class QuietSection(Section):
    start: _Clock  # such as "22:00"
    end: _Clock
    timezone: Zone = "UTC"


class DigestSection(Section):
    schedule: str  # five cron fields, read in `timezone`
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _readable(self) -> DigestSection:
        windows.trigger(self.value())
        return self

    def value(self) -> Window:
        """Return the schedule as windows have it; it opens for a moment."""
        return Window(allows=True, schedule=self.schedule, duration=timedelta(minutes=1), timezone=self.timezone)


class Slack(Section):
    mode: Literal["socket", "http", "off"] = "off"
    default_channel: str = ""
    api_url: str = "https://slack.com/api/"
    people: dict[str, str] = Field(default_factory=dict)  # e-mail address of a commit's author to Slack id
    routes: Annotated[tuple[RouteSection, ...], Field(strict=False)] = ()
    quiet: QuietSection | None = None  # hours without information, never without failures
    digest: DigestSection | None = None  # when each channel is told what happened since the last one


class PageAfter(Section):
    failures: Annotated[int, Field(ge=1)] = 3
    duration: Duration = timedelta(minutes=15)


class FurtherProvider(Section):
    """Gets every alert too, with a key and a delivery of its own."""

    provider: Literal["opsgenie", "opsgenie-eu", "jsm", "webhook"]
    host: str = ""  # what precedes /v2/alerts
    url: str = ""  # of a webhook
    key_env: str = ""  # name of the environment variable with its API key; NAME_<TEAM> is a team's own

    @model_validator(mode="after")
    def _complete(self) -> FurtherProvider:
        if self.provider == "webhook" and not self.url:
            raise ValueError("a webhook needs url, where alerts are sent")
        if self.provider != "webhook" and not self.key_env:
            raise ValueError("name the environment variable with its API key: key_env, such as JSM_API_KEY")
        if self.provider == "webhook" and (self.key_env or self.host):
            raise ValueError("a webhook has url alone")
        return self


class Oncall(Section):
    provider: Literal["opsgenie", "opsgenie-eu", "jsm", "webhook", "off"] = "off"
    host: str = ""  # what precedes /v2/alerts; for provider webhook the URL itself
    also: Annotated[tuple[FurtherProvider, ...], Field(strict=False)] = ()
    page_after: PageAfter = PageAfter()
    heartbeat: str = ""


Verb = Literal[
    "*",
    "status",
    "plan",
    "diff",
    "history",
    "sync",
    "pause",
    "resume",
    "rollback",
    "keep",
    "ignore",
    "approve",
    "reject",
    "oncall",
    "mute",
    "unmute",
    "route",
    "audit",
    "help",
    "whoami",
]


class Permission(Section):
    verbs: Annotated[tuple[Verb, ...], Field(min_length=1, strict=False)]
    apps: Annotated[tuple[str, ...], Field(strict=False)] = ()
    envs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    users: Annotated[tuple[str, ...], Field(strict=False)] = ()
    groups: Annotated[tuple[str, ...], Field(strict=False)] = ()
    channels: Annotated[tuple[str, ...], Field(strict=False)] = ()
    deny: bool = False


class CommitStatus(Section):
    type: Literal["commit-status"]
    repo: str
    host: Literal["github", "gitlab", "bitbucket", "bitbucket-dc", "gitea"]
    api_url: str = ""
    token_env: str


class Hook(Section):
    type: Literal["webhook"]
    url: str
    events: Annotated[
        tuple[Literal["diff", "converged", "failed", "rolled-back"], ...], Field(min_length=1, strict=False)
    ] = ("diff", "converged", "failed", "rolled-back")
    secret_env: str


Writeback = Annotated[CommitStatus | Hook, Field(discriminator="type")]


class Server(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    base_url: str = ""


class Retry(Section):
    first: Duration = timedelta(seconds=5)
    factor: Annotated[float, Field(ge=1)] = 2
    max: Duration = timedelta(minutes=3)


class Settings(Section):
    """The whole file. Build it with `load`, which also checks what one section says of another."""

    instance: Annotated[str, Field(pattern=APP_NAME)] = "default"
    cluster_defaults: ClusterDefaults = ClusterDefaults()
    clusters: Annotated[tuple[Cluster, ...], Field(min_length=1, strict=False)]
    repos: Annotated[tuple[Repo, ...], Field(min_length=1, strict=False)]
    apps: Annotated[tuple[App, ...], Field(strict=False)] = ()
    app_sets: Annotated[tuple[AppSet, ...], Field(strict=False)] = ()
    slack: Slack = Slack()
    oncall: Oncall = Oncall()
    permissions: Annotated[tuple[Permission, ...], Field(strict=False)] = ()
    approvers: ApproversSection = ApproversSection()  # empty: whoever a permission lets approve
    writebacks: Annotated[tuple[Writeback, ...], Field(strict=False)] = ()
    server: Server = Server()
    state: str = "sqlite:///gitops-bot.db"  # relative to the configuration file
    retry: Retry = Retry()
    programs: Programs = Programs()

    def repo(self, name: str) -> Repo:
        return next(repo for repo in self.repos if repo.name == name)

    def resolve_path(self, text: str, folder: Path) -> str:
        """Return a path of the file as seen from anywhere: relative ones begin at the file's folder."""
        return str(folder / Path(text).expanduser()) if text else ""
