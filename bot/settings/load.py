"""Reads the configuration: file and environment in, one `Configuration` out, or a `ConfigError` with every problem.

Three passes over the same text add up: what YAML says, what each section says of itself (pydantic), and what
sections say of each other. Each problem carries `path:line`. No secret is ever part of a problem or a repr.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from bot.errors import ConfigError, Problem
from bot.model.app import Allowed, Approvers, AppSpec, HelmSpec, IgnoreRule, Mode, Render
from bot.model.appset import AppSet
from bot.model.source import MAIN, GitRef, RefKind, branch
from bot.settings import model, wording
from bot.settings.model import AppKeys, Settings
from bot.settings.yamlfile import Location, YamlFile, read
from bot.source import spec as git
from bot.state.address import fault as state_fault

_SECRETS = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "OPSGENIE_API_KEY", "ONCALL_WEBHOOK_SECRET")


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


def load(path: Path, environment: Mapping[str, str]) -> Configuration:
    """Read and check the file. Raises `ConfigError`."""
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
    file = read(text, path=shown, environment=environment)
    problems = list(file.problems)
    settings: Settings | None = None
    if not problems or file.value is not None:
        try:
            settings = Settings.model_validate(file.value if file.value is not None else {})
        except ValidationError as error:
            problems += [_at(file, shown, *fault) for fault in wording.faults(error, file.value)]
        problems += [_at(file, shown, *found) for found in _dangling(file.value)]
    secrets = _read_secrets(environment, problems)
    state_url = _state_url(file.value, path, secrets)
    if wrong := state_fault(state_url):
        where = "DATABASE_URL" if secrets.get("DATABASE_URL") else f"{shown}:{file.line(('state',))}"
        problems.append(Problem(message=f"state: {wrong}", where=where))
    if settings is not None:
        problems += [_at(file, shown, *found) for found in _missing_secrets(settings, secrets)]
        repos = tuple(_repo(settings, index, path.parent, secrets) for index in range(len(settings.repos)))
        for index, repo in enumerate(repos):
            problems += [
                Problem(message=one.message, where=f"{shown}:{file.line(('repos', index, 'url'))}", subject=repo.name)
                for one in repo.problems()
            ]
        if not problems:
            return Configuration(
                settings=settings,
                path=path,
                apps=tuple(_app(settings, app, path.parent) for app in settings.apps),
                app_sets=tuple(
                    _app_set(settings, index, one, path.parent) for index, one in enumerate(settings.app_sets)
                ),
                repos=repos,
                state_url=state_url,
                port=int(environment.get("PORT") or settings.server.port),
                secrets=secrets,
            )
    raise ConfigError(sorted(set(problems), key=lambda one: _by_line(one, shown)))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    return Settings.model_json_schema()


def _by_line(problem: Problem, shown: str) -> tuple[int, str]:
    line = problem.where.removeprefix(f"{shown}:")
    return (int(line) if line.isdigit() else 0, problem.message)


def _at(file: YamlFile, shown: str, location: Location, message: str) -> Problem:
    return Problem(message=message, where=f"{shown}:{file.line(location)}")


def _entries(raw: Any, key: str) -> list[tuple[int, Mapping[str, Any]]]:
    items = raw.get(key) if isinstance(raw, Mapping) else None
    return [(i, item) for i, item in enumerate(items) if isinstance(item, Mapping)] if isinstance(items, list) else []


def _dangling(raw: Any) -> Iterator[tuple[Location, str]]:
    """Yield what the sections say of each other and is not so; works on a file that is wrong elsewhere too."""
    known: dict[str, list[str]] = {}
    for section in ("clusters", "repos"):
        known[section] = []
        for index, item in _entries(raw, section):
            name = item.get("name")
            if isinstance(name, str):
                if name in known[section]:
                    yield (section, index, "name"), f"{section}[{index}].name: {name} is there twice"
                known[section].append(name)
    apps = _entries(raw, "apps")
    keys: list[str] = []
    for index, app in apps:
        key = f"{app.get('cluster')}/{app.get('name')}"
        if key in keys:
            yield ("apps", index, "name"), f"apps[{index}].name: {app.get('name')} is there twice on its cluster"
        keys.append(key)
        for word, section in (("cluster", "clusters"), ("repo", "repos")):
            value = app.get(word)
            if isinstance(value, str) and value not in known[section]:
                yield ("apps", index, word), f"apps[{index}].{word}: {_no_such(word, value, known[section])}"
        path = app.get("path")
        if isinstance(path, str) and (path.startswith("/") or ".." in path.split("/")):
            yield ("apps", index, "path"), f"apps[{index}].path: {path} leaves the repository: write it relative to it"
        old = app.get("moved_from")
        if (
            isinstance(old, str)
            and old
            and f"{app.get('cluster')}/{old}" in [f"{other.get('cluster')}/{other.get('name')}" for _, other in apps]
        ):
            yield ("apps", index, "moved_from"), f"apps[{index}].moved_from: {old} is an app still: remove it first"
    for index, one in _entries(raw, "app_sets"):
        repo = one.get("repo")
        if isinstance(repo, str) and repo not in known["repos"]:
            yield ("app_sets", index, "repo"), f"app_sets[{index}].repo: {_no_such('repo', repo, known['repos'])}"
        wanted = one.get("clusters")
        for number, name in enumerate(wanted if isinstance(wanted, list) else ()):
            if isinstance(name, str) and name not in known["clusters"]:
                text = _no_such("cluster", name, known["clusters"])
                yield ("app_sets", index, "clusters", number), f"app_sets[{index}].clusters: {text}"
        if one.get("name") is not None and "{" not in str(one["name"]):
            yield (
                ("app_sets", index, "name"),
                f"app_sets[{index}].name: every app would be {one['name']}: use {{basename}}",
            )
    has_sets = bool(_entries(raw, "app_sets"))
    graph: dict[str, list[str]] = {}
    for index, app in apps:
        key = f"{app.get('cluster')}/{app.get('name')}"
        graph[key] = []
        for number, other in enumerate(app.get("depends_on") or () if isinstance(app.get("depends_on"), list) else ()):
            target = str(other) if "/" in str(other) else f"{app.get('cluster')}/{other}"
            if target not in keys and not has_sets:  # an app of a set is known once its folder is
                where: Location = ("apps", index, "depends_on", number)
                yield where, f"apps[{index}].depends_on: {_no_such('app', str(other), keys)}"
            graph[key].append(target)
    for index, key in enumerate(graph):
        if _reaches(graph, key):
            yield ("apps", index, "depends_on"), f"apps[{index}].depends_on: {key} depends on itself in a circle"
    for index, item in _entries(raw, "writebacks"):
        repo = item.get("repo")
        if isinstance(repo, str) and repo not in known["repos"]:
            yield ("writebacks", index, "repo"), f"writebacks[{index}].repo: {_no_such('repo', repo, known['repos'])}"


def _no_such(word: str, value: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(value, names, n=1)
    return f"there is no {word} {value}" + (f": did you mean {close[0]}?" if close else "")


def _reaches(graph: Mapping[str, Sequence[str]], start: str) -> bool:
    seen: set[str] = set()
    pending = list(graph[start])
    while pending:
        one = pending.pop()
        if one == start:
            return True
        if one not in seen:
            seen.add(one)
            pending += graph.get(one, ())
    return False


def _read_secrets(environment: Mapping[str, str], problems: list[Problem]) -> dict[str, str]:
    """Return the environment with each `NAME_FILE` of a secret replaced by the file's content."""
    secrets = dict(environment)
    for name in [*environment]:
        base = name.removesuffix("_FILE")
        if base == name or not base.startswith((*_SECRETS, "WEBHOOK_SECRET", "DATABASE_URL")):
            continue
        try:
            secrets[base] = Path(environment[name]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(message=f"the file cannot be read: {type(error).__name__}", where=name))
    return secrets


def _missing_secrets(settings: Settings, secrets: Mapping[str, str]) -> Iterator[tuple[Location, str]]:
    def lacks(name: str) -> str:
        return f"the environment variable {name} (or {name}_FILE) is not set"

    needed = {"off": (), "socket": ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"), "http": _SECRETS[:1] + _SECRETS[2:3]}
    for name in needed[settings.slack.mode]:
        if not secrets.get(name):
            yield ("slack", "mode"), f"slack.mode: {lacks(name)}"
    if settings.slack.mode != "off" and not settings.slack.default_channel:
        without = [app.name for app in settings.apps if not app.channel]
        if without:
            yield ("slack",), f"slack.default_channel is missing, and {without[0]} has no channel of its own"
    if settings.oncall.provider == "webhook" and not settings.oncall.host:
        yield ("oncall", "provider"), "oncall.host is missing: the URL to send alerts to"
    if settings.oncall.provider in {"opsgenie", "opsgenie-eu", "jsm"} and not any(
        name.startswith("OPSGENIE_API_KEY") and value for name, value in secrets.items()
    ):
        yield ("oncall", "provider"), f"oncall.provider: {lacks('OPSGENIE_API_KEY')}"
    for index, repo in enumerate(settings.repos):
        name = repo.credentials.password_env
        if name and not secrets.get(name):
            yield ("repos", index, "credentials", "password_env"), f"repos[{index}].credentials: {lacks(name)}"
    for section, entries in (("apps", settings.apps), ("app_sets", settings.app_sets)):
        for index, app in enumerate(entries):
            name = app.helm.credentials.password_env if app.helm is not None else ""
            if name and not secrets.get(name):
                yield (section, index, "helm", "credentials"), f"{section}[{index}].helm.credentials: {lacks(name)}"
    for index, one in enumerate(settings.writebacks):
        name = one.token_env if one.type == "commit-status" else one.secret_env
        if not secrets.get(name):
            yield ("writebacks", index), f"writebacks[{index}]: {lacks(name)}"
        address = one.api_url if one.type == "commit-status" else one.url
        if one.type == "commit-status" and urlsplit(address).scheme == "http" and _is_far(address):
            yield ("writebacks", index, "api_url"), f"writebacks[{index}].api_url: a token is not sent over plain http"


def _is_far(url: str) -> bool:
    return urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}


def _repo(settings: Settings, index: int, folder: Path, secrets: Mapping[str, str]) -> git.RepoSpec:
    repo = settings.repos[index]
    login = repo.credentials
    url = repo.url
    if git.RepoSpec(name=repo.name, url=url).scheme == "file" and "://" not in url:
        url = settings.resolve_path(url, folder.absolute())
    return git.RepoSpec(
        name=repo.name,
        url=url,
        ref=_ref(repo.ref, repo.branch) or MAIN,
        keyring_file=settings.resolve_path(repo.verify.keyring, folder) if repo.verify is not None else "",
        credentials=git.Credentials(
            username=login.username,
            password=secrets.get(login.password_env, "") if login.password_env else "",
            ssh_key_file=settings.resolve_path(login.ssh_key_file, folder),
            known_hosts_file=settings.resolve_path(login.known_hosts_file, folder),
            ca_file=settings.resolve_path(login.ca_file, folder),
        ),
    )


def _ref(ref: model.Ref | None, name: str) -> GitRef | None:
    """Return what a section follows; None when it says nothing."""
    if ref is None:
        return branch(name) if name else None
    kind, value = next((kind, value) for kind in RefKind if (value := getattr(ref, kind.value)))
    return GitRef(kind, value, ref.prefix)


def _app(settings: Settings, app: model.App, folder: Path) -> AppSpec:
    path = app.path.strip("/").removeprefix("./")
    depends_on = tuple(one if "/" in one else f"{app.cluster}/{one}" for one in app.depends_on)
    return replace(
        _spec(settings, app, folder, name=app.name, cluster=app.cluster, path=path),
        depends_on=depends_on,
        moved_from=app.moved_from,
    )


def _approvers(section: model.ApproversSection) -> Approvers:
    return Approvers(users=section.users, groups=section.groups)


def _app_set(settings: Settings, index: int, one: model.AppSet, folder: Path) -> AppSet:
    return AppSet(
        title=f"app_sets[{index}]",
        template=_spec(settings, one, folder, name=one.name, cluster="", path=""),
        paths=one.paths,
        exclude=one.exclude,
        clusters=one.clusters,
    )


def _helm(settings: Settings, helm: model.Helm, folder: Path) -> HelmSpec:
    return HelmSpec(
        chart=helm.chart,
        version=helm.version,
        repo=helm.repo,
        values=helm.values,
        release=helm.release,
        username=helm.credentials.username,
        password_env=helm.credentials.password_env,
        ca_file=settings.resolve_path(helm.credentials.ca_file, folder),
    )


def _spec(settings: Settings, app: AppKeys, folder: Path, *, name: str, cluster: str, path: str) -> AppSpec:
    repo = settings.repo(app.repo)
    return AppSpec(
        name=name,
        cluster=cluster,
        repo=app.repo,
        ref=_ref(app.ref, app.branch) or _ref(repo.ref, repo.branch) or MAIN,
        path=path,
        namespace=app.namespace,
        env=app.env,
        interval=app.interval,
        timeout=app.timeout,
        prune=app.prune,
        self_heal=app.self_heal,
        allow_empty=app.allow_empty,
        max_delete_count=app.max_delete.count,
        max_delete_share=app.max_delete.share,
        ignore=tuple(IgnoreRule(kind=one.kind, name=one.name, pointers=one.pointers) for one in app.ignore),
        depends_on=app.depends_on,
        channel=(app.channel or settings.slack.default_channel) if settings.slack.mode != "off" else "",
        oncall_team=app.oncall.team,
        oncall_priority=app.oncall.priority or ("P2" if app.env in {"production", "prod"} else "P3"),
        mode=Mode(app.mode),
        approvals=app.approvals,
        approvers=_approvers(app.approvers or settings.approvers),
        adopt=frozenset(app.adopt),
        windows=tuple(one.value() for one in app.windows),
        render=Render(app.render),
        helm=_helm(settings, app.helm, folder) if app.helm is not None else None,
        substitute=app.substitute,
        allowed=Allowed(namespaces=app.allowed.namespaces, kinds=app.allowed.kinds),
        service_account=app.service_account,
    )


def _state_url(raw: Any, path: Path, secrets: Mapping[str, str]) -> str:
    default = str(Settings.model_fields["state"].default)
    said = raw.get("state") if isinstance(raw, Mapping) else None
    url = secrets.get("DATABASE_URL") or (said if isinstance(said, str) else default)
    scheme, _, rest = url.partition(":///")
    if scheme == "sqlite" and rest and not rest.startswith("/"):
        return f"sqlite:///{(path.parent / rest).absolute()}"
    return url
