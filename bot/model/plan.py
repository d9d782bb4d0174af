"""What a sync would change, and what stands in its way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from bot.errors import Problem
from bot.model.resource import Body, Manifest, Origin, ResourceId, ResourceRef
from bot.model.source import Revision


class Action(Enum):
    CREATE = "create"
    UPDATE = "update"
    RECREATE = "recreate"
    DELETE = "delete"
    UNCHANGED = "unchanged"
    BLOCKED = "blocked"

    __hash__ = object.__hash__  # asked for every object of every plan; Enum's own is written in Python


class OwnerKind(Enum):
    """Who else may own an object."""

    APP = "app"
    APPLYSET = "ApplySet"
    HELM = "Helm release"
    FLUX = "Flux"
    ARGOCD = "Argo CD application"
    SPINNAKER = "Spinnaker"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Someone who is not this app and owns an object; `name` as they call themselves.

    `note` says why they do not give it up now, where that is known.
    """

    kind: OwnerKind
    name: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The server's dry-run took the object; `predicted` is what it would store, `warnings` what it warns of."""

    predicted: Body
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The server refuses the object: HTTP status, reason (`Invalid`, `Forbidden`), its words with secrets masked."""

    status: int
    reason: str
    message: str
    immutable: bool = False  # a field that cannot change was changed; delete and recreate would help
    undeclared: bool = False  # a field that the schema of its kind, as the server knows it now, does not have


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAskable:
    """The server cannot be asked yet: this same plan creates the object's Namespace or CRD, or changes its CRD."""

    waits_for: str


Answer = Accepted | Rejected | NotAskable


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One object Git wants, as the cluster has it and as the server's dry-run predicts it.

    `left` is set when an annotation (in Git or live) tells us to leave the object alone; its value is the reason.
    """

    manifest: Manifest
    live: Body | None
    answer: Answer
    owner: Owner | None = None
    left: str = ""
    former: Owner | None = None  # whose it was: the app takes it over


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """One object of the inventory that Git no longer has; `live` is None when it is gone already.

    `unknown` says why nobody can tell whether it is.
    """

    ref: ResourceRef
    live: Body | None
    owner: Owner | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field: path in kubectl's words (`spec.containers[name=api].image`), masked values, None for absent."""

    path: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one object. `why` is one sentence. `manifest` is None for deletes.

    `retained` marks an object that Git dropped and that stays the app's, as its prune annotation says; `pending` one
    that stays for now, and nothing on the cluster tells until when.
    """

    action: Action
    ref: ResourceRef
    why: str
    origin: Origin | None = None
    manifest: Manifest | None = None
    fields: tuple[FieldChange, ...] = ()
    verified: bool = True
    retained: bool = False
    pending: bool = False
    taken_from: str = ""  # name of another app that has given the object up
    uid: str = ""  # of the live object, "" when there is none: deletes and recreates happen to this one only
    hook: str = ""  # when it runs, as the hook annotation says; "" for what is applied and stays
    hands: tuple[str, ...] = ()  # who else set these fields, and when: `kubectl-edit at 2026-03-01 12:00 UTC`
    wave: int = 0  # of the wave annotation, as Git has it; for deletes as the cluster has it
    digest: str = ""  # keyed, of what a yes to the change is bound to; "" for what does not change

    @property
    def id(self) -> ResourceId:
        return self.ref.id


class RefusalKind(Enum):
    EMPTY = "empty"
    MANY_DELETES = "many-deletes"
    PRECIOUS = "precious"  # a Namespace, CRD or PersistentVolumeClaim would go
    ANNOTATED = "annotated"  # gitops-bot/prune: confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A reason to ask a human first; `message` is a full sentence that names the objects."""

    kind: RefusalKind
    message: str


@dataclass(frozen=True, kw_only=True)  # without slots: what is counted once is kept
class Plan:
    """Everything one sync of one app would do. An empty plan changes nothing and has no refusals.

    `changes` holds every object, the unchanged ones too, in the order of application; deletes come last in the
    order of deletion. `hash` covers all that Git wants of the app and what each change makes of what is there, keyed;
    never the commit, resource versions or status.
    """

    app: str
    cluster: str
    revision: Revision
    ref: str
    changes: tuple[Change, ...]
    hash: str
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    impact: tuple[str, ...] = ()

    @cached_property
    def writes(self) -> tuple[Change, ...]:
        """The changes that touch the cluster."""
        idle, blocked = Action.UNCHANGED, Action.BLOCKED  # compared by identity: an Enum is slow to hash
        return tuple([c for c in self.changes if c.action is not idle and c.action is not blocked])

    @cached_property
    def blocked(self) -> tuple[Change, ...]:
        blocked = Action.BLOCKED
        return tuple([c for c in self.changes if c.action is blocked])

    @cached_property
    def refs(self) -> frozenset[ResourceRef]:
        """The objects that Git wants."""
        return frozenset([change.ref for change in self.changes if change.manifest is not None])

    @cached_property
    def wanted(self) -> int:
        """How many objects Git wants."""
        return sum(1 for change in self.changes if change.manifest is not None)

    @cached_property
    def summary(self) -> Summary:
        return summarise(self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many objects a plan treats in which way."""

    create: int = 0
    update: int = 0
    recreate: int = 0
    delete: int = 0
    unchanged: int = 0
    blocked: int = 0

    @property
    def total(self) -> int:
        return self.create + self.update + self.recreate + self.delete

    def __str__(self) -> str:
        """`1 to create, 2 to update`; `nothing to change` for none."""
        return self._said(before="to ") or "nothing to change"

    @property
    def done(self) -> str:
        """`1 created, 2 updated`; `nothing changed` for none."""
        return self._said(after="d") or "nothing changed"

    def _said(self, *, before: str = "", after: str = "") -> str:
        counts = {"create": self.create, "update": self.update, "recreate": self.recreate, "delete": self.delete}
        parts = [f"{count} {before}{verb}{after}" for verb, count in counts.items() if count]
        return ", ".join([*parts, f"{self.blocked} blocked"] if self.blocked else parts)


def summarise(changes: Iterable[Change]) -> Summary:
    """Count changes by action."""
    idle = Action.UNCHANGED  # most are, and an Enum is slow to hash
    actions = [change.action for change in changes]
    moving = [one for one in actions if one is not idle]
    counts = Counter(one.value for one in moving)
    counts[idle.value] = len(actions) - len(moving)
    return Summary(**{action.value: counts[action.value] for action in Action})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFailure:
    """A commit that cannot be planned: every problem, with the revision it was read at."""

    app: str
    cluster: str
    revision: Revision | None
    ref: str
    problems: tuple[Problem, ...] = field(default=())
