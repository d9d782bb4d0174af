"""How fast the simulated cluster lives: a person or a test wants to see in seconds what takes a cluster minutes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Delays between the steps of a life; together a Pod is ready about 350 ms after it was created."""

    schedule: timedelta = timedelta(milliseconds=20)
    sandbox: timedelta = timedelta(milliseconds=30)  # from the node to ContainerCreating
    pull: timedelta = timedelta(milliseconds=150)
    ready: timedelta = timedelta(milliseconds=150)  # from running to ready, for Pods with a readiness probe
    crash: timedelta = timedelta(milliseconds=150)  # from running to the exit of a crash loop
    work: timedelta = timedelta(milliseconds=300)  # how long the container of a Job runs
    stop: timedelta = timedelta(milliseconds=150)  # from deletion to the end of the containers
    provision: timedelta = timedelta(milliseconds=100)  # of volumes and load balancers
    # First wait of a crash loop, doubled up to `most_back_off`: at ten times the speed of a kubelet (10 s, 5 min).
    back_off: timedelta = timedelta(milliseconds=1000)
    most_back_off: timedelta = timedelta(seconds=300)
    # First wait before a Job's next Pod, doubled; the job controller waits 10 s, at most 10 min.
    retry: timedelta = timedelta(milliseconds=1000)

    def faster(self, speed: float) -> Pace:
        """Return this pace `speed` times as fast."""
        return Pace(**{one.name: getattr(self, one.name) / speed for one in fields(self)})
