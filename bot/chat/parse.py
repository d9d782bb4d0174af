"""What people type, as values. Pure: text in, an `Order` or a sentence that says what was expected.

Nothing typed goes anywhere unchecked: names and commits are words of plain letters and digits, everything else is
refused here. Case, extra blanks and smart quotes do not matter.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

VERBS: Final = ("help", "status", "sync", "plan", "pause", "resume", "rollback", "history", "whoami")
_ALIASES: Final = {"diff": "plan", "": "help"}
_QUOTES: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "«": '"', "»": '"'})
_WORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9/._-]{0,126}[A-Za-z0-9])?")
_DURATION: Final = re.compile(r"(?:\d{1,6}(?:s|m|h|d))+")
_PART: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST: Final = timedelta(days=366)
_REASON_LIMIT: Final = 500  # characters; a reason is a sentence
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`app` as typed, "" when none was; `commit` also holds the ref of `plan`; `typed` is clean text for the audit."""

    verb: str
    app: str = ""
    commit: str = ""
    duration: timedelta | None = None
    reason: str = ""
    typed: str = ""


@dataclass(frozen=True, slots=True)
class ParseProblem:
    """The sentence the person reads."""

    message: str


def parse(text: str) -> Order | ParseProblem:
    """Read one command."""
    clean = _clean(text)
    words = clean.split()
    typed = clean[:_REASON_LIMIT]
    verb = _ALIASES.get(_bare(words[0]).lower(), _bare(words[0]).lower()) if words else "help"
    rest = words[1:]
    if verb not in VERBS:
        close = difflib.get_close_matches(verb[:_SHOWN], [*VERBS, "diff"], n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        return ParseProblem(f'unknown verb "{_shown(verb)}": {hint}`/gitops help` lists what there is')
    names: list[str] = []
    wanted = {"plan": 2, "rollback": 2, "help": 0, "whoami": 0}.get(verb, 1)
    for word in rest[:wanted]:
        bare = _bare(word)
        if not _WORD.fullmatch(bare):
            return ParseProblem(f'"{_shown(bare)}" is no name of an app or commit')
        names.append(bare)
    rest = rest[wanted:]
    app = names[0] if names else ""
    commit = names[1] if len(names) > 1 else ""
    if verb in {"pause", "resume", "rollback", "history"} and not app:
        return ParseProblem(f"{verb} needs an app: `{usage(verb)}`")
    if verb == "rollback" and not commit:
        return ParseProblem(f"rollback needs a commit: `{usage(verb)}`")
    duration: timedelta | None = None
    if verb == "pause" and rest and rest[0].lower() == "for":
        if len(rest) < 2 or (duration := _duration(_bare(rest[1]).lower())) is None:
            return ParseProblem("`for` needs a duration such as 30m, 2h or 1d")
        rest = rest[2:]
    if rest and verb not in {"pause", "rollback"}:
        return ParseProblem(f'"{_shown(rest[0])}" is one word too many: `{usage(verb)}`')
    return Order(
        verb=verb,
        app=app.lower(),
        commit=commit,
        duration=duration,
        reason=" ".join(rest).strip("\"'")[:_REASON_LIMIT],
        typed=typed,
    )


def usage(verb: str) -> str:
    """Return the form of a verb."""
    return {
        "sync": "/gitops sync [app]",
        "plan": "/gitops plan [app] [commit]",
        "status": "/gitops status [app]",
        "pause": "/gitops pause <app> [for <duration>] [reason]",
        "resume": "/gitops resume <app>",
        "rollback": "/gitops rollback <app> <commit> [reason]",
        "history": "/gitops history <app>",
        "whoami": "/gitops whoami",
    }.get(verb, "/gitops help")


def _clean(text: str) -> str:
    """Return the text without control and direction characters, quotes straightened."""
    return "".join(char if char.isprintable() else " " for char in text.translate(_QUOTES))


def _bare(word: str) -> str:
    return word.strip("\"'`")


def _shown(word: str) -> str:
    return word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"


def _duration(text: str) -> timedelta | None:
    if not _DURATION.fullmatch(text):
        return None
    found = timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))
    return found if timedelta(0) < found <= _LONGEST else None
