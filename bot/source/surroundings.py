"""What git finds around it when we start it: variables, configuration, the program that answers its questions.

In go a repository and the folder of its copy; out come texts. Nothing of the user's own configuration counts, and the
password is in the environment of our own processes alone, never in a file.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from bot.source.spec import RepoSpec

_STALL_SECONDS: Final = 30  # a transfer slower than 1 kB/s for so long is given up

_ASKPASS: Final = """#!/bin/sh
# Answers git's questions for user and password, for our host only.
case "$1" in
  *"://$GITOPS_BOT_GIT_HOST'"* | *"@$GITOPS_BOT_GIT_HOST'"*) ;;
  *) exit 1 ;;
esac
case "$1" in
  Username*) printf '%s\\n' "$GITOPS_BOT_GIT_USERNAME" ;;
  Password*) printf '%s\\n' "$GITOPS_BOT_GIT_PASSWORD" ;;
  *) exit 1 ;;
esac
"""


def write_surroundings(spec: RepoSpec, folder: Path) -> None:
    """Make the folder and the files that the environment names. Idempotent; raises `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_if_changed(folder / "askpass", _ASKPASS, mode=0o700)
    _write_if_changed(folder / "gitconfig", _gitconfig(spec), mode=0o600)


def environment(spec: RepoSpec, folder: Path) -> dict[str, str]:
    """Return what git gets beside the inherited environment."""
    credentials = spec.credentials
    host = spec.address.partition("://")[2].partition("/")[0]
    # A variable wins over our configuration: one that names the machine's authorities would hide ca_file.
    authority = {"GIT_SSL_CAINFO": credentials.ca_file} if credentials.ca_file else {}
    return {
        **authority,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": str(folder / "askpass"),
        "GITOPS_BOT_GIT_HOST": host,
        "GITOPS_BOT_GIT_USERNAME": spec.username,
        "GITOPS_BOT_GIT_PASSWORD": credentials.password,
        "GIT_SSH_COMMAND": _ssh_command(spec),
        "GIT_SSH_VARIANT": "ssh",
        "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "GIT_CONFIG_COUNT": "0",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_ATTR_NOSYSTEM": "1",
        "GNUPGHOME": str(folder / "gnupg"),
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NAMESPACE": "",
        "GIT_OBJECT_DIRECTORY": str(folder / "mirror.git" / "objects"),  # set by the hook that started us, perhaps
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
        "GIT_TRACE": "0",
        "GIT_TRACE_CURL": "0",
    }


def _ssh_command(spec: RepoSpec) -> str:
    credentials = spec.credentials
    options = ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=10", "ServerAliveCountMax=3"]
    options += [
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={_ssh_quoted(credentials.known_hosts_file)}",
        "GlobalKnownHostsFile=/dev/null",
    ]
    command = ["ssh"]
    if credentials.ssh_key_file:
        options.append("IdentitiesOnly=yes")
        command += ["-i", credentials.ssh_key_file]
    for option in options:
        command += ["-o", option]
    return shlex.join(command)


def _gitconfig(spec: RepoSpec) -> str:
    """Return the configuration that stands in for the user's own. It contains no secret."""
    sections = [
        _section('remote "origin"', url=spec.address, fetch="+refs/heads/*:refs/heads/*"),
        # One pack per fetch: unlike loose objects it appears as a whole or, if git is killed, not at all.
        _section("fetch", unpackLimit="1", writeCommitGraph="true", recurseSubmodules="false"),
        _section("gc", auto="0"),
        _section("maintenance", auto="false"),
        _section("credential", helper=""),
        _section("protocol", version="2"),
    ]
    http = {"lowSpeedLimit": "1000", "lowSpeedTime": str(_STALL_SECONDS)}
    if spec.credentials.password:
        http["followRedirects"] = "false"  # whoever we are sent to must not get the password
    sections.append(_section("http", **http))
    if (path := spec.local_path) is not None:
        # Naming a path in our configuration is the consent that git asks for when somebody else owns the folder.
        places = {str(place) for place in (path, path / ".git", path.resolve(), path.resolve() / ".git")}
        sections += [_section("safe", directory=place) for place in sorted(places)]
    return "".join(sections)


def _section(title: str, **values: str) -> str:
    lines = [f"[{title}]"]
    for key, value in values.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'\t{key} = "{escaped}"')
    return "\n".join(lines) + "\n"


def _ssh_quoted(path: str) -> str:
    """Quote a path for an option of ssh_config: it splits values at blanks and expands percent signs."""
    return '"' + path.replace("%", "%%") + '"'


def _write_if_changed(path: Path, text: str, *, mode: int) -> None:
    """Put a file in place in one step; two processes that do it at once both succeed."""
    with suppress(FileNotFoundError):
        if path.read_text() == text:
            return
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.chmod(draft, mode)
        os.replace(draft, path)
    except OSError:  # a full disk: leave no draft at each try
        os.unlink(draft)
        raise
