"""An app as the engine sees it: one path of one repository on one cluster, with every default filled in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from fnmatch import fnmatchcase

from bot.model.image import Follow
from bot.model.resource import ResourceId
from bot.model.source import GitRef


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRule:
    """Fields Git does not own: JSON pointers (RFC 6901) of the objects of a kind; name `*` means all."""

    kind: str
    name: str
    pointers: tuple[str, ...]

    def matches(self, id: ResourceId) -> bool:
        return self.kind in {"*", id.kind} and self.name in {"*", id.name}


class Mode(Enum):
    """Who decides that a plan is applied."""

    AUTO = "auto"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When automatic syncs may run (`allow`) or may not (`deny`).

    It opens at each time of the cron `schedule` (five fields, in `timezone`) and stays open for `duration`. With
    `manual`, people may sync although it forbids the automatic ones.
    """

    allows: bool
    schedule: str
    duration: timedelta
    timezone: str = "UTC"
    manual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What an app may contain: shell patterns of namespaces and kinds, `*` is everything.

    With namespaces listed, cluster-scoped objects may be those Namespaces, and the kinds named in full.
    """

    namespaces: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ("*",)

    def fault(self, id: ResourceId) -> str:
        """Return why an object may not be in the app; "" when it may."""
        if not any(fnmatchcase(id.kind, one) for one in self.kinds):
            return f"the app may not contain the kind {id.kind}: allowed.kinds lists {_list(self.kinds)}"
        where = id.name if (id.group, id.kind) == ("", "Namespace") else id.namespace
        if any(fnmatchcase(where, one) for one in self.namespaces) or (not where and id.kind in self.kinds):
            return ""
        what = f"the namespace {where}" if where else f"cluster-wide objects such as {id.kind}"
        return f"the app may not write to {what}: allowed.namespaces lists {_list(self.namespaces)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvers:
    """Who may approve plans: Slack ids, e-mail addresses, `os:NAME`, and groups. Empty names nobody in particular."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.users or self.groups)

    def name(self, identities: Collection[str], *, in_group: Callable[[str], bool]) -> bool:
        """True when somebody with these identities is named; groups are asked last."""
        return "*" in self.users or any(one in self.users for one in identities) or any(map(in_group, self.groups))


def _list(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "nothing"


class Rollback(Enum):
    """What becomes of Git after a rollback: nothing while the app is pinned, or the branch takes the files back too."""

    PIN = "pin"
    REVERT = "revert"


class Render(Enum):
    """Which tool makes objects of the files; AUTO looks at them."""

    AUTO = "auto"
    YAML = "yaml"
    KUSTOMIZE = "kustomize"
    HELM = "helm"


@dataclass(frozen=True, slots=True, kw_only=True)
class HelmSpec:
    """A chart: in the repository without `repo`, else in an OCI registry, an HTTP repository or a bucket (`s3://`).

    Relative paths of `chart` and `values` begin at the app's path, those with a leading slash at the repository's root.
    `password_env` names the secret, which is never part of a value that is kept or shown.
    """

    chart: str = "."
    version: str = ""  # exact, or a range as Helm reads it; "" is the newest
    repo: str = ""
    values: tuple[str, ...] = ()
    release: str = ""  # "" is the app's name
    username: str = ""
    password_env: str = ""
    ca_file: str = ""

    @property
    def is_bucket(self) -> bool:
        return self.repo.startswith("s3://")


def usual_priority(env: str) -> str:
    """Return how urgently an app pages whose configuration does not say it."""
    return "P2" if env in {"production", "prod"} else "P3"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSpec:
    """What the configuration says of one app. Identity is `key`, `cluster/name`: names repeat across clusters."""

    name: str
    cluster: str
    repo: str
    ref: GitRef
    path: str
    namespace: str
    env: str
    interval: timedelta
    timeout: timedelta
    prune: bool
    self_heal: bool
    allow_empty: bool
    max_delete_count: int
    max_delete_share: float
    ignore: tuple[IgnoreRule, ...]
    depends_on: tuple[str, ...]  # keys of other apps
    channel: str  # "" when Slack is off
    oncall_team: str
    oncall_priority: str  # P1..P5
    mode: Mode = Mode.AUTO
    approvals: int = 1  # distinct approvers of one plan, its requester not counted
    approvers: Approvers = Approvers()
    moved_from: str = ""  # name of an app on the same cluster whose objects this one takes over
    adopt: frozenset[str] = frozenset()  # helm, flux, argocd, spinnaker: whose objects may be taken over
    windows: tuple[Window, ...] = ()
    render: Render = Render.AUTO
    helm: HelmSpec | None = None
    remote_hosts: tuple[str, ...] = ()  # whose repositories a kustomization may take bases from
    substitute: Mapping[str, str] | None = field(default=None, hash=False)  # None: `${NAME}` is plain text
    allowed: Allowed = Allowed()
    service_account: str = ""  # impersonated for every write: a name in the app's namespace, or namespace/name
    app_set: str = ""  # title of the app set it comes from
    rollback: Rollback = Rollback.PIN
    oncall_degraded: str = ""  # priority of what turns bad with no commit to blame; "" is `oncall_priority`
    oncall_outage: str = ""  # priority of a neighbour that is away; "" is `oncall_priority`
    images: tuple[Follow, ...] = ()  # whose newest tags are written into the app's files

    @property
    def key(self) -> str:
        return f"{self.cluster}/{self.name}"

    @property
    def title(self) -> str:
        """How people read it: `payments / prod`."""
        return f"{self.name} / {self.cluster}"

    @property
    def followed(self) -> str:
        """Whose head is deployed: `fleet branch main`."""
        return f"{self.repo} {self.ref.kind.value} {self.ref}"

    @property
    def user(self) -> str:
        """Whom the API server takes us for when we write: a service account's user name, "" for ourselves."""
        if not self.service_account:
            return ""
        namespace, _, name = self.service_account.rpartition("/")
        return f"system:serviceaccount:{namespace or self.namespace}:{name}"
