"""The guided tour: at most eight steps, each with what to do, where, what to look at, and when it is done.

A step is done when its fact has been true once; steps may be done in any order, or not at all. With a person's own
repository or cluster, what cannot be done there is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.sandbox.demo import cast, mischief
from bot.sandbox.oncall.alerts import Alert
from bot.sandbox.slack import SlackWorkspace

_TEST_ALERT: Final = "gitops-bot:test"  # the alias of what `/gitops oncall test` opens and closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a step may look at: what people and the bot said, what mischief was done, which alerts there were."""

    slack: SlackWorkspace
    done: frozenset[str]
    alerts: tuple[Alert, ...]

    def paged(self, *, closed: bool = False) -> bool:
        """Tell whether somebody was woken for an app, and not for a test of the way there."""
        return any(not (closed and one.open) for one in self.alerts if one.alias != _TEST_ALERT)

    def said(self, *words: str) -> bool:
        """Tell whether some message of the bot has, or had, all the words in its sentence."""
        with self.slack.state.changed:
            ours = [one for one in self.slack.state.messages.values() if one.user == self.slack.state.bot_user]
        texts = (text for one in ours for text in (one.text, *(edit.text for edit in one.edits)))
        return any(all(word in text for word in words) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`action` is what its button does: `do:` or `undo:` a mischief, `type:` a command, open a `channel:`, act `as:`
    somebody in a channel.
    """

    id: str
    title: str
    text: str
    action: str
    label: str
    done: Callable[[Facts], bool]


STEPS: Final = (
    Step(
        id="converged",
        title="Twelve apps, one bot",
        text="The bot has just read the fleet from Git and made the cluster equal to it. Each app's story is one "
        "message in its channel; details are in the thread below it. Only payments waits for a person.",
        action=f"channel:{cast.DEPLOYS.id}",
        label="Open #deploys",
        done=lambda facts: facts.said("Converged"),
    ),
    Step(
        id="status",
        title="Ask how things are",
        text="Type `/gitops status`, here or in any channel. The answer is for your eyes only. Tab completes verbs "
        "and app names.",
        action="type:/gitops status",
        label="Type it for me",
        done=lambda facts: "command" in facts.done,
    ),
    Step(
        id="commit",
        title="Deploy by pushing",
        text="Push a good commit. Watch the message go from “changes detected” to “converged” in place, and open its "
        "thread for the plan.",
        action="do:good-commit",
        label="Push a good commit",
        done=lambda facts: "good-commit" in facts.done,
    ),
    Step(
        id="drift",
        title="Edit the cluster by hand",
        text="Somebody edits a ConfigMap with kubectl. The bot names the fields, and undoes it. In staging it asks "
        "instead: revert it, keep it as a branch, or ignore the field.",
        action="do:hand-edit",
        label="Edit a ConfigMap",
        done=lambda facts: facts.said("changed by hand") or facts.said("Drift"),
    ),
    Step(
        id="page",
        title="Break it until somebody is woken",
        text="Push an image that does not exist. The message says which pod, why, and what to press; after the second "
        "failure in a row the on-call person is paged.",
        action="do:broken-image",
        label="Push a broken image",
        done=lambda facts: facts.paged(),
    ),
    Step(
        id="mend",
        title="Mend it: the page closes itself",
        text="Acknowledge the alert, here or in On-call, then revert the commit. Convergence closes it, and the thread "
        "tells the story to whoever was asleep.",
        action="undo:broken-image",
        label="Revert the bad commit",
        done=lambda facts: facts.paged(closed=True),
    ),
    Step(
        id="rollback",
        title="Roll back, and stay there",
        text="Press “Roll back” on a converged message of web, look at the preview, confirm. The app is pinned there: "
        "new commits wait until somebody resumes it.",
        action=f"channel:{cast.DEPLOYS.id}",
        label="Open #deploys",
        done=lambda facts: facts.said("Rolled back"),
    ),
    Step(
        id="approve",
        title="Only some may say yes",
        text="payments moves money: nothing is applied before somebody agrees to exactly that plan. Act as Bob (bottom "
        "left) and press Approve in #payments: he may not, and is told who can. Then press it as Chloé.",
        action=f"as:{cast.BOB.id}:{cast.PAYMENTS.id}",
        label="Act as Bob",
        done=lambda facts: facts.said("No rule allows you to approve") and facts.said("Approved", "payments"),
    ),
)

# With a repository of one's own: nothing that is about the shop.
_OWN: Final = (
    Step(
        id="converged",
        title="Your folder, one bot",
        text="The bot reads your folder from Git and makes the cluster equal to it. Its story is one message in "
        "#deploys; details are in the thread below it. Push to your branch, and a new one begins.",
        action=f"channel:{cast.DEPLOYS.id}",
        label="Open #deploys",
        done=lambda facts: facts.said("Converged"),
    ),
    next(step for step in STEPS if step.id == "status"),
    Step(
        id="outage",
        title="Take Slack away",
        text="Slack goes down and the bot goes on without it. Commands are not answered, and what it has to say waits "
        "until Slack is up again.",
        action="do:slack-down",
        label="Slack down",
        done=lambda facts: "slack-down" in facts.done,
    ),
)


def steps(stage: mischief.Stage) -> tuple[Step, ...]:
    """Return what can be played on this stage."""
    if stage.repository is None:
        return _OWN
    missing = {f"do:{one.id}" for one in mischief.ALL if not one.needs(stage)}
    return tuple(step for step in STEPS if step.action not in missing)


def view(stage: mischief.Stage) -> list[Mapping[str, str]]:
    """Return the steps as the page shows them."""
    return [
        {"id": step.id, "title": step.title, "text": step.text, "action": step.action, "label": step.label}
        for step in steps(stage)
    ]
