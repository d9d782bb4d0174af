"""Reads the configuration: file and environment in, one `Configuration` out, or a `ConfigError` with every problem.

Three passes over the same text add up: what YAML says, what each section says of itself (pydantic), and what sections
say of each other, in the part of the file that is right. Each problem carries `path:line`. No secret is ever part of a
problem or a repr.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.errors import ConfigError, Problem
from bot.model.app import AppSpec
from bot.model.appset import AppSet
from bot.settings.examining import Examined, examine
from bot.settings.model import Settings
from bot.settings.references import dangling
from bot.settings.secrets import missing_secrets, named_keys, read_secrets
from bot.settings.specs import app_set_spec, app_spec, repo_spec
from bot.settings.writebacks import Function, Writeback, in_arn
from bot.settings.yamlfile import Location, YamlFile, read
from bot.source import spec as git
from bot.state.address import fault as state_fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The file, the folder its relative paths begin at, and the secrets by the name of their variable."""

    settings: Settings
    path: Path
    apps: tuple[AppSpec, ...]
    app_sets: tuple[AppSet, ...]
    repos: tuple[git.RepoSpec, ...]
    state_url: str = field(repr=False)
    port: int
    secrets: Mapping[str, str] = field(repr=False)

    def secret(self, name: str, *, suffix: str = "") -> str:
        """Return `NAME_SUFFIX` where that is set, `NAME` otherwise, "" when neither is."""
        own = f"{name}_{suffix.upper().replace('-', '_').replace('.', '_')}"
        return (self.secrets.get(own) if suffix else None) or self.secrets.get(name, "")


def _opened(path: Path, environment: Mapping[str, str]) -> YamlFile:
    shown = str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            [Problem(message="no such file: name it with --config or GITOPS_BOT_CONFIG", where=shown)]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
        raise ConfigError([Problem(message=f"cannot be read: {reason}", where=shown)]) from error
    return read(text, path=shown, environment=environment)


def base_url(path: Path, environment: Mapping[str, str]) -> str:
    """Return `server.base_url` alone: Slack is told of it before there are tokens. Raises `ConfigError`."""
    file = _opened(path, environment)
    found = examine(file.value)
    if found.right is None:
        raise ConfigError([_at(file, str(path), *one) for one in found.faults])
    return found.right.server.base_url


def load(path: Path, environment: Mapping[str, str], *, speaks: bool = True) -> Configuration:
    """Read and check the file; what never `speaks` needs no secrets of Slack and the like. Raises `ConfigError`."""
    shown = str(path)
    file = _opened(path, environment)
    problems = list(file.problems)
    found = examine(file.value)
    problems += [_at(file, shown, *one) for one in (*found.faults, *dangling(file.value), *_incomplete(found))]
    secrets = read_secrets(environment, problems, named=named_keys(file.value))
    problems += [_at(file, shown, *one) for one in missing_secrets(file.value, secrets, speaks=speaks)]
    state_url = _state_url(file.value, path, secrets)
    if wrong := state_fault(state_url):
        where = "DATABASE_URL" if secrets.get("DATABASE_URL") else f"{shown}:{file.line(('state',))}"
        problems.append(Problem(message=f"state: {wrong}", where=where))
    repos: list[git.RepoSpec] = []
    for index, one in found.entries("repos"):
        repo = repo_spec(one, path.parent, secrets)
        repos.append(repo)
        where = f"{shown}:{file.line(('repos', index, 'url'))}"
        problems += [Problem(message=fault.message, where=where, subject=repo.name) for fault in repo.problems()]
    settings = found.right
    if settings is not None and not problems:
        return Configuration(
            settings=settings,
            path=path,
            apps=tuple(app_spec(settings, app, path.parent) for app in settings.apps),
            app_sets=tuple(
                app_set_spec(settings, index, one, path.parent) for index, one in enumerate(settings.app_sets)
            ),
            repos=tuple(repos),
            state_url=state_url,
            port=int(environment.get("PORT") or settings.server.port),
            secrets=secrets,
        )
    raise ConfigError(sorted(set(problems), key=lambda one: _by_line(one, shown)))


def _by_line(problem: Problem, shown: str) -> tuple[int, str]:
    line = problem.where.removeprefix(f"{shown}:")
    return (int(line) if line.isdigit() else 0, problem.message)


def _at(file: YamlFile, shown: str, location: Location, message: str) -> Problem:
    return Problem(message=message, where=f"{shown}:{file.line(location)}")


def _incomplete(found: Examined) -> Iterator[tuple[Location, str]]:
    """Yield what one section needs of another, or may not be with another; what is wrong by itself is not missing."""
    settings = found.right
    if settings is None:
        return
    where: Location = ("slack", "default_channel")
    if settings.slack.mode != "off" and not settings.slack.default_channel and not found.is_wrong(where):
        apps = [app for i, app in found.entries("apps") if not found.is_wrong(("apps", i, "channel"))]
        without = [app.name for app in apps if not app.channel]
        if without:
            yield where, f"slack.default_channel is missing, and {without[0]} has no channel of its own"
    if settings.oncall.provider == "webhook" and not settings.oncall.host and not found.is_wrong(("oncall", "host")):
        yield ("oncall", "provider"), "oncall.host is missing: the URL to send alerts to"
    for section in ("apps", "app_sets"):
        for index, app in found.entries(section):
            follows_branch = bool(app.branch) or (app.ref is not None and bool(app.ref.branch))
            if follows_branch and any(repo.name == app.repo and repo.needs_tag for repo in settings.repos):
                text = f"{section}[{index}]: it follows a branch, and {app.repo} lets only signed tags through"
                yield (section, index, "branch" if app.branch else "ref"), text
    for index, one in found.entries("writebacks"):
        if one.type == "lambda":
            yield from _unreachable(index, one, found)
        key, url = _sent_to(one)
        if urlsplit(url).scheme == "http" and _is_far(url):
            yield ("writebacks", index, key), f"writebacks[{index}].{key}: a token is not sent over plain http"


def _sent_to(one: Writeback) -> tuple[str, str]:
    """Return where a write-back sends a secret, and the key that says so; what is only signed shows none."""
    match one.type:
        case "commit-status":
            return "api_url", one.api_url
        case "jira":
            return "url", one.url
        case "spinnaker":
            return "url", one.url if one.secret_env or one.token_env else ""
        case "webhook" | "lambda":
            return "", ""


def _unreachable(index: int, one: Function, found: Examined) -> Iterator[tuple[Location, str]]:
    """Yield what a function lacks to be invoked: the library, or a region that it is in."""
    from bot.writeback import functions  # imported late: most installations have no function

    if lacks := functions.missing():
        yield ("writebacks", index, "type"), f"writebacks[{index}].type: {lacks}"
    where: Location = ("writebacks", index, "region")
    if not one.place and not found.is_wrong(where):
        yield where, f"writebacks[{index}].region: say where the function is, such as eu-west-1"
    if one.region and (named := in_arn(one.function)) not in {"", one.region}:
        yield where, f"writebacks[{index}].region: the ARN says {named}: take region out, or correct it"


def _is_far(url: str) -> bool:
    return urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}


def _state_url(raw: Any, path: Path, secrets: Mapping[str, str]) -> str:
    default = str(Settings.model_fields["state"].default)
    said = raw.get("state") if isinstance(raw, Mapping) else None
    url = secrets.get("DATABASE_URL") or (said if isinstance(said, str) else default)
    scheme, _, rest = url.partition(":///")
    if scheme == "sqlite" and rest and not rest.startswith("/"):
        return f"sqlite:///{(path.parent / rest).absolute()}"
    return url
