"""The words of the language: each verb with its form and what it does. Pure data; the order is that of the help."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HASH: Final = re.compile(r"(?:sha256:)?[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """`app` is needed, allowed or unknown to the verb, or several words about apps.

    `second` names the word after it, where there is one.
    """

    form: str
    what: str
    app: str = "allowed"  # needed, allowed, none, several
    second: str = ""  # commit, plan, field
    reason: bool = False  # whatever follows is a reason
    span: str = ""  # `for <duration>`: allowed, needed
    many: bool = False  # in place of an app may stand words that choose some


VERBS: Final[dict[str, Verb]] = {
    "help": Verb(form="help", what="what you may do here", app="none"),
    "status": Verb(
        form="status [app, cluster, env, team, state or commit …]",
        what="how the apps stand that all words are about",
        app="several",
    ),
    "sync": Verb(form="sync [apps]", what="make the cluster equal to Git now", many=True),
    "plan": Verb(form="plan [app] [commit]", what="what a sync would change (also: diff)", second="commit"),
    "pause": Verb(
        form="pause <apps> [for <duration>] [reason]",
        what="apply nothing for a while",
        many=True,
        app="needed",
        reason=True,
        span="allowed",
    ),
    "resume": Verb(form="resume <apps>", what="end a pause or a rollback", app="needed", many=True),
    "rollback": Verb(
        form="rollback <app> [commit] [reason]",
        what="return to an earlier commit and stay there",
        app="needed",
        second="commit",
        reason=True,
    ),
    "keep": Verb(
        form="keep <app> [reason]",
        what="propose to Git what was changed by hand, on a branch",
        app="needed",
        reason=True,
    ),
    "ignore": Verb(
        form="ignore <app> [field] [reason]",
        what="propose to leave a field alone from now on, on a branch",
        app="needed",
        second="field",
        reason=True,
    ),
    "history": Verb(form="history <app>", what="what was deployed, when, by whom", app="needed"),
    "approve": Verb(form="approve <app> [plan hash]", what="agree to the plan that waits", app="needed", second="plan"),
    "reject": Verb(form="reject <app> [reason]", what="say no to the plan that waits", app="needed", reason=True),
    "oncall": Verb(form="oncall [test]", what="who is paged when; test opens and closes an alert", app="none"),
    "mute": Verb(
        form="mute <apps> for <duration> [reason]",
        many=True,
        what="no messages and no pages for a while; syncs go on",
        app="needed",
        reason=True,
        span="needed",
    ),
    "unmute": Verb(form="unmute <apps>", what="end a mute", app="needed", many=True),
    "route": Verb(form="route <app>", what="which channel hears what of an app, and why", app="needed"),
    "audit": Verb(form="audit [app]", what="who ordered, decided and changed what"),
    "whoami": Verb(form="whoami", what="what you may do, and which rule says so", app="none"),
}
ALIASES: Final = {"diff": "plan", "?": "help", "--help": "help", "-h": "help"}
# What people of kubectl, Flux and Argo CD type. It is answered with our word and not done: theirs does more, or less.
MEANT: Final = {
    **dict.fromkeys(("why", "logs", "log", "describe", "get", "list", "ls", "show", "health"), "status"),
    **dict.fromkeys(("deploy", "apply", "reconcile", "refresh", "release", "retry"), "sync"),
    **dict.fromkeys(("undo", "revert", "back"), "rollback"),
    **dict.fromkeys(("stop", "hold", "suspend", "freeze", "lock", "disable"), "pause"),
    **dict.fromkeys(("start", "unpause", "continue", "unlock", "enable"), "resume"),
    **dict.fromkeys(("silence", "snooze", "quiet"), "mute"),
}
FREE: Final = frozenset({"help", "whoami"})  # anybody may


_DEEDS: Final = {  # what a verb is in a sentence about an app, where the word alone is none
    "status": "see the status of",
    "plan": "see the plan of",
    "history": "see the history of",
    "audit": "read the audit of",
    "route": "see the routes of",
    "rollback": "roll back",
    "keep": "keep changes of",
    "ignore": "ignore a field of",
    "approve": "approve a plan of",
    "reject": "reject a plan of",
}


def deed(verb: str, what: str) -> str:
    """Return what somebody does to an app in a sentence: `roll back payments / prod`; on-call is of none."""
    return "use on-call" if verb == "oncall" else f"{_DEEDS.get(verb, verb)} {what}"


def usage(verb: str) -> str:
    """Return the form of a verb as it is typed, escaped for Slack."""
    return f"/gitops {VERBS[verb].form}".replace("<", "&lt;").replace(">", "&gt;")
