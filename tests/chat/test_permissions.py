"""Rights: the first rule that matches decides, nobody matched is denied."""

from __future__ import annotations

from dataclasses import replace

from bot.chat.permissions import Request, Rule, decide


def request(verb: str = "sync", channel: str = "C0PAY", who: str = "U0ANA") -> Request:
    return Request(
        verb=verb, app="payments", cluster="eu", env="production", channel=channel, identities=frozenset({who})
    )


def allowed(asked: Request, *rules: Rule, groups: tuple[str, ...] = ()) -> bool:
    return decide(asked, rules, in_group=lambda group: group in groups).allowed


def test_nobody_matched_is_denied_and_told_who_could() -> None:
    rule = Rule(verbs=("sync",), apps=("eu/payments",), users=("U0BOB",))
    decided = decide(request(), [rule], in_group=lambda _: False)
    assert not decided.allowed
    assert "<@U0BOB>" in decided.why


def test_rule_names_verbs_apps_environments_and_people() -> None:
    assert allowed(request(), Rule(verbs=("*",), apps=("payments",), envs=("production",), users=("U0ANA",)))
    assert allowed(request(), Rule(verbs=("sync",), apps=("eu/payments",), users=("*",)))
    assert not allowed(request(), Rule(verbs=("status",), users=("*",)))
    assert not allowed(request(), Rule(verbs=("*",), envs=("staging",), users=("*",)))


def test_group_counts_like_a_person() -> None:
    rule = Rule(verbs=("*",), groups=("S0SRE",))
    assert allowed(request(), rule, groups=("S0SRE",))
    assert not allowed(request(), rule)


def test_first_matching_rule_decides() -> None:
    deny = Rule(verbs=("sync",), users=("U0ANA",), deny=True)
    assert not allowed(request(), deny, Rule(verbs=("*",), users=("*",)))
    assert allowed(request(who="U0BOB"), deny, Rule(verbs=("*",), users=("*",)))


def test_silence_of_slack_lets_nobody_in() -> None:
    """A rule that denies a group's members, or an e-mail address, was passed over while Slack did not answer."""
    everybody = Rule(verbs=("*",), users=("*",))
    group, mail = Rule(verbs=("*",), groups=("S0NEW",), deny=True), Rule(verbs=("*",), users=("e@x.io",), deny=True)
    decided = decide(request(), [group, everybody], in_group=lambda _: None)
    assert not decided.allowed
    assert "Slack does not say who is in <!subteam^S0NEW> at the moment" in decided.why
    assert not decide(replace(request(), unsure=True), [mail, everybody], in_group=lambda _: None).allowed
    assert decide(request(), [mail, everybody], in_group=lambda _: None).allowed
    decided = decide(request(), [replace(group, deny=False)], in_group=lambda _: None)
    assert not decided.allowed
    assert "Slack does not say who is in <!subteam^S0NEW> at the moment: try again soon." in decided.why


def test_rule_with_channels_never_matches_in_a_direct_message() -> None:
    rule = Rule(verbs=("*",), users=("*",), channels=("C0PAY", "D0ANA"))
    assert allowed(request(), rule)
    assert not allowed(request(channel="C0OTHER"), rule)
    assert not allowed(request(channel="D0ANA"), rule)


def test_rule_that_names_nobody_lets_nobody_in() -> None:
    assert not allowed(request(), Rule(verbs=("*",)))
