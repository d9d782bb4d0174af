"""Hooks: objects that run before a sync, after it, or when it failed, made anew each time.

A Job counts when it is complete, any other object when it is healthy. Waves hold among the hooks of one point too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.apply.context import ApplyContext
from bot.apply.write import write
from bot.model.outcome import Deed, Health, HealthState, Outcome
from bot.model.plan import Plan
from bot.model.resource import ResourceId
from bot.plan.order import Phase, hook_stages


@dataclass(slots=True)
class HookRun:
    """What became of the hooks of one point; `bad` are those that did not succeed."""

    outcomes: list[Outcome] = field(default_factory=list)
    bad: tuple[tuple[ResourceId, Health], ...] = ()
    stopped: bool = False  # a newer commit or an order made the wait pointless

    @property
    def succeeded(self) -> bool:
        return not self.bad and not self.stopped and all(one.deed is not Deed.FAILED for one in self.outcomes)


def run_hooks(plan: Plan, phase: Phase, context: ApplyContext) -> HookRun:
    """Run the hooks of one point, wave by wave, to the first that does not succeed. Raises `ClusterError`."""
    run = HookRun()
    for stage in hook_stages(plan, phase):
        with context.steps.step("hooks", phase=phase.value, objects=len(stage.changes)):
            for change in stage.changes:
                outcome = write(change, context.app, context.cluster)
                run.outcomes.append(outcome)
                context.applied(outcome)
        if not run.succeeded:
            break
        waited = context.wait(stage.objects)
        bad = tuple((id, one) for id, one in waited.health if one.state is not HealthState.HEALTHY)
        if bad:
            run.stopped = waited.stopped
            run.bad = () if waited.stopped else bad
            break
    return run
