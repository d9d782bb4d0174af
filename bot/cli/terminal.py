"""What the commands share: who sits there, the engine, the app that is meant, and how a result is written."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TextIO

import orjson

from bot.errors import OrderRefused, UsageError
from bot.model.app import AppSpec
from bot.model.bulk import chooses
from bot.model.control import Via
from bot.model.people import named
from bot.model.resource import ResourceId
from bot.ports.tracing import UNTRACED, Tracer
from bot.settings import Configuration, load
from bot.wiring import Engine, build_engine, build_tracer, untraced

log = logging.getLogger(__name__)

_SPANS_LEAVE: Final = timedelta(seconds=2)  # a person waits


def now() -> datetime:
    """Return the time of this command."""
    return datetime.now(tz=UTC)


def operator() -> str:
    """Return who sits at the terminal, as the audit names them."""
    return f"os:{getpass.getuser()}"


def config_path(given: str) -> Path:
    """Return the configuration file: the option, the environment, or the one in this folder."""
    return Path(given or os.environ.get("GITOPS_BOT_CONFIG") or "gitops-bot.yaml")


def configuration(arguments: argparse.Namespace, *, speaks: bool = True) -> Configuration:
    """Load the configuration that the command line or the environment names."""
    return load(config_path(arguments.config), os.environ, speaks=speaks)


def tracer() -> Tracer:
    """Return who keeps traces of what this process does, as the environment says, and have the log name them."""
    if why := untraced(os.environ):
        log.warning("tracing is off: %s", why)
    built = build_tracer(os.environ)
    if built is not UNTRACED:
        from bot.cli.logs import carry_traces

        carry_traces(built.current)
    return built


@contextmanager
def engine(
    arguments: argparse.Namespace,
    *,
    announces: bool = True,
    follow: bool = True,
    traced: bool = False,
    speaks: bool = True,
) -> Iterator[Engine]:
    """Build the engine and close it behind; the folders of app sets are those of now. Refusals name people.

    A command that only looks never `speaks`: it needs no token of Slack, as in a pipeline that plans a pull request.
    """
    told = tracer() if traced else UNTRACED
    built = build_engine(
        configuration(arguments, speaks=speaks), clock=now, announces=announces, follow=follow, tracer=told
    )
    try:
        built.passes.apps.refresh()
        yield built
    except OrderRefused as refused:
        raise OrderRefused(named(str(refused), built.store.names())) from refused
    finally:
        built.close()
        told.close(timeout=_SPANS_LEAVE)


def apps_named(built: Engine, names: Sequence[str]) -> tuple[AppSpec, ...]:
    """Return the apps of these names, or that words such as `cluster:prod` choose; all where none is given."""
    words = " ".join(names)
    try:
        if chooses(words):
            return built.desk.meant(words)
        return tuple(built.desk.find(name) for name in names) or built.desk.apps()
    except OrderRefused as error:
        raise UsageError(str(error)) from error


def apps_ordered(built: Engine, arguments: argparse.Namespace) -> tuple[AppSpec, ...]:
    """Return the apps that an order names: it says of which it is."""
    _needs_app(built, arguments)
    return apps_named(built, arguments.app)


def app_named(built: Engine, arguments: argparse.Namespace) -> AppSpec:
    """Return the app that a command about one app names."""
    _needs_app(built, arguments)
    return apps_named(built, [arguments.app])[0]


def apps_of_name(built: Engine, arguments: argparse.Namespace) -> tuple[AppSpec, ...]:
    """Return the apps of the name that a command names, one for each cluster: for a command that only looks."""
    _needs_app(built, arguments)
    try:
        return built.desk.named(arguments.app)
    except OrderRefused as error:
        raise UsageError(str(error)) from error


def _needs_app(built: Engine, arguments: argparse.Namespace) -> None:
    if not arguments.app:
        raise UsageError(f"{arguments.command} needs an app: one of {', '.join(app.name for app in built.desk.apps())}")


def objects_named(text: str) -> Callable[[ResourceId], bool]:
    """Return whether an object is meant by `Deployment/api` or `deployment/shop/api`."""
    kind, *place = text.split("/")
    if not kind or len(place) not in {1, 2} or not all(place):
        raise UsageError(f"{text}: write KIND/NAME, or KIND/NAMESPACE/NAME")

    def means(id: ResourceId) -> bool:
        return id.kind.lower() == kind.lower() and place in ([id.name], [id.namespace, id.name])

    return means


def noting(built: Engine, app: AppSpec, verb: str, words: str = "") -> AbstractContextManager[None]:
    """Have the audit say how an order ends."""
    return built.desk.noting(app.key, verb, words, by=operator(), via=Via.CLI)


def write_json(out: TextIO, value: Any) -> None:
    """Write a result for programs, indented for people."""
    out.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
