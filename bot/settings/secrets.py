"""Secrets from the environment or from files, and those that the configuration needs and nobody has given.

In goes the file as YAML has it, right or wrong: what a section that is wrong in one key says in the others still
counts, so that a person hears of a typo and of a missing token at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from bot.errors import Problem
from bot.settings.git import Credentials
from bot.settings.people import Oncall, Slack
from bot.settings.references import Found, entries
from bot.settings.rendering import Helm
from bot.settings.values import Section

NAMES: Final = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "OPSGENIE_API_KEY",
    "ONCALL_WEBHOOK_SECRET",
    "REGISTRY_WEBHOOK_SECRET",
)
_SLACK: Final[Mapping[str, tuple[str, ...]]] = {
    "off": (),
    "socket": ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"),
    "http": ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"),
}

S = TypeVar("S", bound=Section)


def named_keys(raw: Any) -> tuple[str, ...]:
    """Return the variables that the file names for secrets: passwords, tokens and keys."""
    if isinstance(raw, Mapping):
        here = (one for key, one in raw.items() if str(key).endswith("_env") and isinstance(one, str) and one)
        return (*here, *(name for one in raw.values() for name in named_keys(one)))
    return tuple(name for one in raw for name in named_keys(one)) if isinstance(raw, list) else ()


def read_secrets(
    environment: Mapping[str, str], problems: list[Problem], *, named: Sequence[str] = ()
) -> dict[str, str]:
    """Return the environment with each `NAME_FILE` of a secret replaced by the file's content.

    Secrets are those whose names begin with one of ours, or with one that the file has `named`.
    """
    secrets = dict(environment)
    for name in [*environment]:
        base = name.removesuffix("_FILE")
        if base == name or not base.startswith((*NAMES, *named, "WEBHOOK_SECRET", "DATABASE_URL")):
            continue
        try:
            secrets[base] = Path(environment[name]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(message=f"the file cannot be read: {type(error).__name__}", where=name))
    return secrets


def missing_secrets(raw: Any, secrets: Mapping[str, str], *, speaks: bool) -> Iterator[Found]:
    """Yield each secret that a section of the file needs and that is not there.

    A command that only looks at Git and the clusters never `speaks`, and needs none of those for anybody else.
    """
    if speaks:
        yield from _missing_to_speak(raw, secrets)
    for index, item in entries(raw, "repos"):
        login = _sound(Credentials, item.get("credentials", {}))
        if login is not None and login.password_env and not secrets.get(login.password_env):
            yield (
                ("repos", index, "credentials", "password_env"),
                f"repos[{index}].credentials: {_lacks(login.password_env)}",
            )
    for section in ("apps", "app_sets"):
        for index, item in entries(raw, section):
            helm = _sound(Helm, item.get("helm", {}))
            name = helm.credentials.password_env if helm is not None else ""
            if name and not secrets.get(name):
                yield (section, index, "helm", "credentials"), f"{section}[{index}].helm.credentials: {_lacks(name)}"


def _missing_to_speak(raw: Any, secrets: Mapping[str, str]) -> Iterator[Found]:
    """Yield the secrets that are missing for Slack, the on-call service, registries and the write-backs."""
    sections: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    slack, oncall = _sound(Slack, sections.get("slack", {})), _sound(Oncall, sections.get("oncall", {}))
    for name in _SLACK[slack.mode] if slack is not None else ():
        if not secrets.get(name):
            yield ("slack", "mode"), f"slack.mode: {_lacks(name)}"
    if (
        oncall is not None
        and oncall.provider in {"opsgenie", "opsgenie-eu", "jsm"}
        and not any(name.startswith("OPSGENIE_API_KEY") and value for name, value in secrets.items())
    ):
        yield ("oncall", "provider"), f"oncall.provider: {_lacks('OPSGENIE_API_KEY')}"
    for index, further in enumerate(oncall.also if oncall is not None else ()):
        name = further.key_env
        if name and not any(one.startswith(name) and value for one, value in secrets.items()):
            yield ("oncall", "also", index, "key_env"), f"oncall.also[{index}]: {_lacks(name)}"
    for index, item in entries(raw, "registries"):
        name = str(item.get("password_env") or "")
        if name and not secrets.get(name):
            yield ("registries", index, "password_env"), f"registries[{index}].password_env: {_lacks(name)}"
    for index, item in entries(raw, "writebacks"):
        for name in (str(item.get(key) or "") for key in ("secret_env", "token_env")):
            if name and not secrets.get(name):
                yield ("writebacks", index), f"writebacks[{index}]: {_lacks(name)}"


def _lacks(name: str) -> str:
    return f"the environment variable {name} (or {name}_FILE) is not set"


def _sound(section: type[S], value: Any) -> S | None:
    """Return a section without the keys that are wrong, None when nothing can be made of it."""
    try:
        return section.model_validate(value)
    except ValidationError as error:
        wrong = {detail["loc"][0] for detail in error.errors() if detail["loc"]}
    rest = {key: one for key, one in value.items() if key not in wrong} if isinstance(value, Mapping) else {}
    try:
        return section.model_validate(rest)
    except ValidationError:
        return None
