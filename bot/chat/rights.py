"""What a person may do where: the rules asked with what Slack says of the person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.chat.caller import Caller
from bot.chat.people import People
from bot.chat.permissions import Decided, Request, Rule, decide, decide_verdict
from bot.chat.verbs import FREE, VERBS
from bot.model.app import AppSpec

VERDICTS: Final = frozenset({"approve", "reject"})


class Rights:
    """Safe to use from several threads."""

    def __init__(self, rules: Sequence[Rule], people: People) -> None:
        self._rules, self._people = tuple(rules), people

    def decide(self, verb: str, app: AppSpec, caller: Caller) -> Decided:
        """Decide whether somebody may, and by which rule."""
        request = Request(
            verb=verb,
            app=app.name,
            cluster=app.cluster,
            env=app.env,
            channel=caller.channel,
            identities=self._people.identities(caller.user),
            unsure=self._people.is_unsure(caller.user),
        )

        def in_group(group: str) -> bool | None:
            return self._people.in_group(caller.user, group)

        if verb in VERDICTS:
            return decide_verdict(request, self._rules, app.approvers, in_group=in_group)
        return decide(request, self._rules, in_group=in_group)

    def allows(self, verb: str, app: AppSpec, caller: Caller) -> bool:
        return self.decide(verb, app, caller).allowed

    def verbs(self, apps: Sequence[AppSpec], caller: Caller) -> frozenset[str]:
        """Return what somebody may do with at least one app."""
        return frozenset(verb for verb in VERBS if any(self.allows(verb, app, caller) for app in apps))

    def explained(self, apps: Sequence[AppSpec], caller: Caller) -> dict[str, list[str]]:
        """Return, for apps that are alike, the verbs with the rule that decides each."""
        alike: dict[tuple[str, ...], list[str]] = {}
        for app in apps:
            by_rule: dict[str, list[str]] = {}
            for verb in VERBS:
                if verb not in FREE:
                    decided = self.decide(verb, app, caller)
                    word = "may" if decided.allowed else "may not"
                    why = f"rule {decided.rule}" if decided.rule else "approvers" if decided.allowed else "no rule"
                    by_rule.setdefault(f"{why}: {word}", []).append(verb)
            alike.setdefault(tuple(f"{why} {', '.join(verbs)}" for why, verbs in by_rule.items()), []).append(app.title)
        return {", ".join(titles[:10]) + (" …" if len(titles) > 10 else ""): list(why) for why, titles in alike.items()}

    def identities(self, caller: Caller) -> frozenset[str]:
        return frozenset(self._people.identities(caller.user))

    def name(self, caller: Caller) -> str:
        """Return how Git knows a person: the e-mail address, where Slack tells, and the id."""
        email = self.email(caller)
        return f"{email} ({caller.user})" if email else caller.user

    def email(self, caller: Caller) -> str:
        """Return somebody's e-mail address, "" where Slack does not tell."""
        return min((one for one in self._people.identities(caller.user) if "@" in one), default="")
