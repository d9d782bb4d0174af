"""Apps and app sets: which path of which repository, on which cluster, and how it is kept."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from bot.model.app import Window
from bot.model.appset import placeholders_checked
from bot.model.image import MOST_REPEATED, reference, repeats_group
from bot.model.versions import is_range
from bot.reconcile.passes import windows
from bot.settings.git import Ref, with_one_ref
from bot.settings.rendering import Helm, Kustomize
from bot.settings.values import APP_NAME, AppName, Duration, Names, Namespace, Section, Zone


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Ignore(Section):
    """Fields that Git does not own, left as another owner sets them."""

    kind: str
    name: str = "*"
    """Pattern of the objects' names."""
    pointers: Annotated[tuple[Annotated[str, Field(pattern=r"^/")], ...], Field(min_length=1, strict=False)]
    """JSON pointers (RFC 6901), such as `/spec/replicas`."""


_Priority = Literal["", "P1", "P2", "P3", "P4", "P5"]


class AppOncall(Section):
    """Who is paged for an app, and how urgently."""

    team: str = ""
    """Whose API key pages: `OPSGENIE_API_KEY_<TEAM>` where it is set."""
    priority: _Priority = ""
    """Where none is given: P2 in an `env` named production or prod, P3 elsewhere."""
    degraded: _Priority = ""
    """For workloads that turn bad with no commit to blame; else `priority`."""
    outage: _Priority = ""
    """For an API server, a Git host or a registry that is away; else `priority`."""


class MaxDelete(Section):
    """More deletions than both are refused until a person says yes."""

    count: Annotated[int, Field(ge=0)] = 10
    share: Annotated[float, Field(ge=0, le=1)] = 0.66
    """Of the objects the app has."""


class SyncWindow(Section):
    """When syncs may run; of overlapping windows `deny` wins."""

    kind: Literal["allow", "deny"]
    """An open `deny` window holds syncs, as does the time outside every `allow` window."""
    schedule: str
    """When it opens: five cron fields, read in `timezone`: minute hour day month weekday (0 and 7 are Sunday)."""
    duration: Duration
    """How long it stays open."""
    timezone: Zone = "UTC"
    manual: bool = False
    """Whether a person's sync passes it."""

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
    """Who may approve plans. Empty: whom a permission lets `approve`."""

    users: Names = ()
    """Slack ids, e-mail addresses, or `os:NAME` in a terminal."""
    groups: Names = ()
    """Ids of Slack user groups."""


class AllowedObjects(Section):
    """What an app may have; anything else in Git is an error."""

    namespaces: Names = ("*",)
    """Names or patterns."""
    kinds: Names = ("*",)
    """Kinds, or patterns of them."""


class FollowedImage(Section):
    """An image whose newest tag is written into the app's own files, in Git."""

    image: str
    """Its name without a tag: `quay.io/acme/shop`; in an app set with its placeholders."""
    follow: str = ""
    """A range of versions, such as `1.x`, `>=1.2 <2` or `^1.4`. A pre-release counts if the range names one."""
    tags: str = ""
    """Regular expression of whole tags with one group: a version where `follow` is given, else a number that grows."""
    write: Literal["commit", "pull-request"] = "commit"
    """A commit on the branch that the app follows, or on a branch of its own that people merge."""

    @field_validator("image")
    @classmethod
    def _name(cls, value: str) -> str:
        found = reference(placeholders_checked(value).replace("{", "").replace("}", ""))
        if found is None or found.tag or found.digest:
            raise ValueError("expected the name of an image without a tag, such as quay.io/acme/shop")
        return value

    @model_validator(mode="after")
    def _orders_tags(self) -> FollowedImage:
        if not self.follow and not self.tags:
            raise ValueError("say which tags are newer: follow, a range of versions, or tags, with a number in a group")
        if self.follow and not is_range(self.follow):
            raise ValueError(f"follow: {self.follow} is no range of versions: write one such as 1.x, or >=1.2 <2")
        try:
            groups = re.compile(self.tags).groups
        except re.error as error:
            raise ValueError(f"tags is no regular expression: {error}") from None
        if self.tags and groups != 1:
            raise ValueError(f"tags has {groups} groups: put what orders the tags into one, such as main-([0-9]+)")
        if repeats_group(self.tags):
            why = "it may take for ever at a long tag: repeat characters, such as [0-9a-z.-]+"
            raise ValueError(f"tags repeats a group more than {MOST_REPEATED} times, and {why}")
        return self


class AppKeys(Section):
    """What an app and an app set have in common."""

    repo: str
    """Name of an entry of `repos`."""
    branch: str = ""
    """The repository's where none is given."""
    ref: Ref | None = None
    """A tag, a range of versions or a commit instead of a branch."""
    render: Literal["auto", "yaml", "kustomize", "helm"] = "auto"
    """`auto` goes by what is there: a kustomization, a chart, or plain YAML."""
    helm: Helm | None = None
    kustomize: Kustomize = Kustomize()
    namespace: Namespace = "default"
    """Of namespaced objects that name none."""
    env: str = ""
    """A free word, for routes, permissions and priorities."""
    interval: Duration = timedelta(seconds=60)
    """How often Git is asked, where no push says something new; from 1s."""
    timeout: Duration = timedelta(minutes=5)
    """How long to wait for health after an apply."""
    prune: bool = True
    """Whether objects that Git no longer has are deleted."""
    self_heal: bool = True
    """Whether drift is undone at once; otherwise people are asked."""
    mode: Literal["auto", "approve"] = "auto"
    """`approve`: nothing is applied before people have agreed to exactly that plan."""
    approvals: Annotated[int, Field(ge=1, le=10)] = 1
    """How many different people must agree, the requester not counted."""
    approvers: ApproversSection | None = None
    """Instead of the ones for all apps."""
    depends_on: Names = ()
    """Apps that must be synced and healthy first."""
    channel: str = ""
    """Id of the Slack channel the app lives in; else the first route that fits, else the default one."""
    oncall: AppOncall = AppOncall()
    ignore: Annotated[tuple[Ignore, ...], Field(strict=False)] = ()
    rollback: Literal["pin", "revert"] = "pin"
    """A rollback keeps the app at its commit until `resume`; with `revert` the branch follows, which ends the pin."""
    max_delete: MaxDelete = MaxDelete()
    allow_empty: bool = False
    """Whether a path that renders nothing may delete everything."""
    adopt: Annotated[tuple[Literal["helm", "flux", "argocd", "spinnaker"], ...], Field(strict=False)] = ()
    """Tools whose objects are taken over; the plan shows from whom. Without it such objects are blocked."""
    windows: Annotated[tuple[SyncWindow, ...], Field(strict=False)] = ()
    substitute: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] | None = None
    """Values for `${NAME}` in manifests; an unknown name is then an error, and `$${NAME}` is literal."""
    allowed: AllowedObjects = AllowedObjects()
    images: Annotated[tuple[FollowedImage, ...], Field(strict=False)] = ()
    service_account: Annotated[str, Field(pattern=r"^([a-z0-9.-]+(/[a-z0-9.-]+)?)?$")] = ""
    """`NAME` or `NAMESPACE/NAME`, impersonated for every write of the app, its dry-runs included."""

    @model_validator(mode="after")
    def _one_ref(self) -> AppKeys:
        return with_one_ref(self)


class App(AppKeys):
    """One path of one repository, kept on one cluster."""

    name: AppName
    """Unique on its cluster; elsewhere it is called `cluster/app` where that is needed."""
    cluster: str
    """Name of an entry of `clusters`."""
    path: str = ""
    """Folder of the repository; its root where none is given."""
    moved_from: Annotated[str, Field(pattern=rf"^$|{APP_NAME}")] = ""
    """Name the app had before: takes over that app's objects."""


class AppSet(AppKeys):
    """Every folder that matches `paths` and not `exclude` becomes an app on every one of `clusters`.

    `{basename}`, `{path}` (with `-` for `/`) and `{cluster}` stand for the folder and the cluster in `name`,
    `namespace`, `env` and `channel`.
    """

    name: str = "{basename}"
    namespace: str = "default"
    """Of namespaced objects that name none."""
    paths: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1, strict=False)]
    """Patterns of folders, such as `clusters/prod/*`."""
    exclude: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(strict=False)] = ()
    """Patterns of folders that are left out."""
    clusters: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    """Names of entries of `clusters`."""
    envs: dict[str, str] = Field(default_factory=dict)
    """By cluster, as `{prod-eu: production, staging-eu: staging}`: the `env` there; on the others it is `env`."""

    @field_validator("name", "namespace", "env", "channel")
    @classmethod
    def _known_placeholders(cls, value: str) -> str:
        return placeholders_checked(value)
