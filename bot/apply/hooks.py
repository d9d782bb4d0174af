"""Hooks: objects that run before a sync, after it, or when it failed, made anew each time.

A Job counts when it is complete, any other object when it is healthy. Waves hold among the hooks of one point too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from bot.apply.write import write
from bot.model.app import AppSpec
from bot.model.outcome import Deed, Health, HealthState, Outcome
from bot.model.plan import Plan
from bot.model.resource import ResourceId, ResourceRef
from bot.plan.order import Phase, hook_stages
from bot.ports.live import Cluster


class Waited(Protocol):
    @property
    def health(self) -> tuple[tuple[ResourceId, Health], ...]: ...
    @property
    def stopped(self) -> bool: ...


@dataclass(slots=True)
class HookRun:
    """What became of the hooks of one point; `bad` are those that did not succeed."""

    outcomes: list[Outcome] = field(default_factory=list)
    bad: tuple[tuple[ResourceId, Health], ...] = ()
    stopped: bool = False  # a newer commit or an order made the wait pointless

    @property
    def succeeded(self) -> bool:
        return not self.bad and not self.stopped and all(one.deed is not Deed.FAILED for one in self.outcomes)


def run_hooks(
    plan: Plan,
    phase: Phase,
    *,
    app: AppSpec,
    cluster: Cluster,
    wait: Callable[[Sequence[ResourceRef]], Waited],
    progress: Callable[[Outcome], None],
    step: Callable[..., AbstractContextManager[None]],
) -> HookRun:
    """Run the hooks of one point, wave by wave, to the first that does not succeed. Raises `ClusterError`.

    What is done inside of a `step` is timed by its name and facts.
    """
    run = HookRun()
    for stage in hook_stages(plan, phase):
        with step("hooks", phase=phase.value, objects=len(stage.changes)):
            for change in stage.changes:
                outcome = write(change, app, cluster)
                run.outcomes.append(outcome)
                progress(outcome)
        if not run.succeeded:
            break
        waited = wait(stage.objects)
        bad = tuple((id, one) for id, one in waited.health if one.state is not HealthState.HEALTHY)
        if bad:
            run.stopped = waited.stopped
            run.bad = () if waited.stopped else bad
            break
    return run
