"""Who may do what: the first rule that matches decides, nobody matched is denied. Pure.

What Slack does not say lets nobody in: an unknown member is none for a rule that allows, and is one for a rule that
denies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.chat.verbs import deed
from bot.model.app import Approvers


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Empty `apps`, `envs` and `channels` mean any; `users` and `groups` together name the people."""

    verbs: tuple[str, ...]
    apps: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    deny: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants: `app` and `env` are "" for verbs about no app; `identities` are Slack id and e-mail.

    `unsure` when Slack does not tell the e-mail address.
    """

    verb: str
    app: str
    cluster: str
    env: str
    channel: str
    identities: frozenset[str]
    unsure: bool = False


InGroup = Callable[[str], bool | None]  # None: it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """`rule` counts from 1 in the order of the configuration, 0 when none matched."""

    allowed: bool
    rule: int
    why: str


def decide(request: Request, rules: Sequence[Rule], *, in_group: InGroup) -> Decided:
    """Return the decision. `in_group` is asked only for rules that match otherwise."""
    unknown: list[str] = []

    def asked(group: str) -> bool | None:
        found = in_group(group)
        if found is None:
            unknown.append(f"who is in <!subteam^{group}>")
        return found

    for number, rule in enumerate(rules, start=1):
        if _fits(request, rule) and _names(request, rule, asked):
            verb = "denies" if rule.deny else "allows"
            silent = _silence(request, unknown) if rule.deny else ""
            return Decided(allowed=not rule.deny, rule=number, why=f"rule {number} {verb} it{silent}")
    what = f"{request.app} ({request.env or 'no environment'})" if request.app else "any app"
    who = _who_could(request, rules)
    hint = f" It is allowed to {', '.join(who)}." if who else " No rule allows it to anybody here."
    why = f"No rule allows you to {deed(request.verb, what)}.{hint}{_silence(request, unknown)}"
    return Decided(allowed=False, rule=0, why=why)


def _silence(request: Request, unknown: Sequence[str]) -> str:
    """Return what Slack did not say, which might have allowed it; "" when it said all."""
    missing = [*dict.fromkeys(unknown), *(["your e-mail address"] if request.unsure else [])]
    return f" Slack does not say {' and '.join(missing)} at the moment: try again soon." if missing else ""


def decide_verdict(request: Request, rules: Sequence[Rule], approvers: Approvers, *, in_group: InGroup) -> Decided:
    """Return whether somebody may approve or reject a plan.

    `approvers` that names people or groups is the whole answer, but for a rule that denies; else the rules decide.
    """
    decided = decide(request, rules, in_group=in_group)
    if not approvers or (decided.rule and not decided.allowed):
        return decided
    if approvers.name(request.identities, in_group=lambda group: in_group(group) is True):
        return Decided(allowed=True, rule=0, why="approvers names you")
    who = ", ".join([*map(_mention, approvers.users), *(f"<!subteam^{one}>" for one in approvers.groups)])
    what = f"{request.app} ({request.env or 'no environment'})"
    return Decided(allowed=False, rule=0, why=f"No rule allows you to {deed(request.verb, what)}. Approvers are {who}.")


def _mention(user: str) -> str:
    return f"<@{user}>" if user.startswith("U") else user


def _is_about(request: Request, rule: Rule) -> bool:
    names = {"*", request.app, f"{request.cluster}/{request.app}"}
    return (
        not {"*", request.verb}.isdisjoint(rule.verbs)
        and (not rule.apps or not names.isdisjoint(rule.apps))
        and (not rule.envs or not {"*", request.env}.isdisjoint(rule.envs))
    )


def _fits(request: Request, rule: Rule) -> bool:
    # A channel is a place where others see it: a direct message (D…) never counts as one.
    channel_fits = not rule.channels or (request.channel in rule.channels and not request.channel.startswith("D"))
    return _is_about(request, rule) and channel_fits


def _names(request: Request, rule: Rule, in_group: InGroup) -> bool:
    if "*" in rule.users or request.identities & set(rule.users):
        return True
    if rule.deny and request.unsure and any("@" in one for one in rule.users):
        return True
    found = [in_group(group) for group in rule.groups]
    return True in found or (rule.deny and None in found)


def _who_could(request: Request, rules: Sequence[Rule]) -> list[str]:
    """Return the people and groups that some rule would let do it, somewhere."""
    found: list[str] = []
    for rule in rules:
        if rule.deny or not _is_about(request, rule):
            continue
        place = f" in {', '.join(f'<#{one}>' for one in rule.channels)}" if rule.channels else ""
        people = list(map(_mention, rule.users))
        people += [f"<!subteam^{one}>" for one in rule.groups]
        found += [f"{one}{place}" for one in people]
    return list(dict.fromkeys(found))[:10]
