"""Every error the bot raises on purpose, as one tree.

A class exists per decision a caller can take; fields carry the data, the message says what happened, to what,
and what to do next. Secrets never appear in a message. Anything that is not a `BotError` is a bug and reaches
exactly one boundary: the worker of the loop, or the command line.

    BotError
    ├── ConfigError             the configuration file; every problem at once; exit status 64
    ├── UsageError              an argument nobody can make sense of; exit status 64
    ├── PassError               ends a pass; carries how it counts towards a page
    │   ├── SourceError         Git, with the repository's name
    │   │   ├── RepositoryUnreachable      (transient)
    │   │   ├── RepositoryRefused          credentials, host key, not found
    │   │   ├── RepositoryEmpty
    │   │   ├── RefNotFound                a branch, tag or range of versions
    │   │   ├── PathNotFound
    │   │   ├── SignatureRefused           a commit nobody we trust has signed
    │   │   ├── RevisionRefused            unknown, ambiguous or foreign commit, a branch name
    │   │   └── PushRefused                the remote does not take our commit
    │   ├── ChartError          a Helm chart from a registry
    │   │   ├── ChartUnreachable           (transient)
    │   │   └── ChartRefused               credentials, no such chart or version
    │   ├── RenderError         the files of a commit; every problem at once as file:line
    │   ├── ClusterError        the API server, with the cluster's name
    │   │   ├── ClusterUnreachable         (transient) refused, timed out, reset, 5xx
    │   │   ├── ApiUnavailable             (transient) one API group: what serves or converts its objects is away
    │   │   ├── ClusterThrottled           (transient) 429, with the seconds it asked for
    │   │   └── ClusterRefused             401, 403, bad kubeconfig
    │   └── StateError          the state store
    ├── RegistryError           a container registry whose tags are followed, with its host
    │   ├── RegistryUnreachable        refused, timed out, 429, 5xx, with the seconds it asked for
    │   ├── RegistryRefused            credentials
    │   └── ImageNotFound
    ├── OrderRefused            a person's order that cannot be followed, with the reason to show them
    └── DeliveryFailed          a message, page or write-back that did not arrive: retry or not
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class BotError(Exception):
    """The root. `str(error)` is one sentence fit for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with an input: the message, and where (`path:line`, `apps[0].path`), if known."""

    message: str
    where: str = ""
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class ConfigError(BotError):
    """The configuration is unusable; `problems` holds all of it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(BotError):
    """An argument of a command is unusable; the message says what was expected."""


class PassError(BotError):
    """A pass ended before its plan could be carried out.

    `transient` errors are outages of a neighbour: they are retried, folded over apps, and count towards a page
    by duration only. The others count each time.
    """

    transient = False
    retry_after_seconds: float | None = None


class SourceError(PassError):
    """Git said no; `repo` is the name in the configuration."""

    def __init__(self, message: str, *, repo: str) -> None:
        self.repo = repo
        super().__init__(message)


class RepositoryUnreachable(SourceError):
    """The Git host cannot be reached or does not answer in time."""

    transient = True


class RepositoryRefused(SourceError):
    """The Git host refuses our credentials, we refuse its host key, or there is no such repository."""


class RepositoryEmpty(SourceError):
    """The repository has no commit yet. Never read as "delete everything"."""


class RefNotFound(SourceError):
    """The branch or tag is not on the remote, or no tag is in the range of versions."""


class PathNotFound(SourceError):
    """The app's path is not in that commit."""


class SignatureRefused(SourceError):
    """The commit is not signed, or not by a key of the keyring."""


class RevisionRefused(SourceError):
    """A commit given by a person is unknown, ambiguous, foreign, too short, or a branch name."""


class PushRefused(SourceError):
    """The remote does not take a commit of ours: a protected branch, no right to write, somebody was faster."""


class ChartError(PassError):
    """A Helm chart cannot be had."""


class ChartUnreachable(ChartError):
    """The registry cannot be reached or does not answer in time."""

    transient = True


class ChartRefused(ChartError):
    """The registry refuses our credentials, or has no such chart or version."""


class RenderError(PassError):
    """The commit cannot be rendered; `problems` holds every one, each with `path:line`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ClusterError(PassError):
    """The API server said no; `cluster` is the name in the configuration."""

    def __init__(self, message: str, *, cluster: str) -> None:
        self.cluster = cluster
        super().__init__(message)


class ClusterUnreachable(ClusterError):
    """The API server refuses connections, does not answer in time, or answers 5xx."""

    transient = True


class ApiUnavailable(ClusterError):
    """The API server is there; what serves an API `group`, or converts its objects, is not."""

    transient = True

    def __init__(self, message: str, *, cluster: str, group: str) -> None:
        super().__init__(message, cluster=cluster)
        self.group = group


class ClusterThrottled(ClusterError):
    """The API server answers 429; `retry_after_seconds` is what it asked for."""

    transient = True

    def __init__(self, message: str, *, cluster: str, retry_after_seconds: float) -> None:
        super().__init__(message, cluster=cluster)
        self.retry_after_seconds = retry_after_seconds


class ClusterRefused(ClusterError):
    """The API server does not accept our credentials, or they lack a right the pass cannot do without."""


class StateError(PassError):
    """The state store cannot be read or written."""


class RegistryError(BotError):
    """A registry does not say which tags an image has; `host` is its name in references."""

    def __init__(self, message: str, *, host: str) -> None:
        self.host = host
        super().__init__(message)


class RegistryUnreachable(RegistryError):
    """It cannot be reached, has no time for us, or is broken; `retry_after_seconds` is what it asked for."""

    def __init__(self, message: str, *, host: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, host=host)
        self.retry_after_seconds = retry_after_seconds


class RegistryRefused(RegistryError):
    """It does not accept our credentials, or wants some."""


class ImageNotFound(RegistryError):
    """It has no such image, or no such tag."""


class OrderRefused(BotError):
    """An order from a person cannot be followed; the message is what they read. Nothing has changed."""


class NotThere(OrderRefused):
    """An order names what there is not: a mistake in typing, of which the audit says nothing.

    `near` when it is close to something there is, or the beginning of several.
    """

    def __init__(self, message: str, *, near: bool = False) -> None:
        self.near = near
        super().__init__(message)


class DeliveryFailed(BotError):
    """A delivery did not arrive. `retry_after_seconds` is None when trying again is useless."""

    def __init__(self, message: str, *, retry_after_seconds: float | None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)
