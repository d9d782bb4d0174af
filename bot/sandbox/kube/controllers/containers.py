"""The life of one container: a status and what its image does in, the next status, its delay and its events out.

    (none) → ContainerCreating → ErrImagePull → ImagePullBackOff
                               → running (→ ready) → terminated
                                     ↑                   ↓
                                     └──── CrashLoopBackOff

Source of reasons and messages: k8s.io/kubernetes/pkg/kubelet, kuberuntime and images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers.images import Fate, reference
from bot.sandbox.kube.controllers.objects import name_of, namespace_of, stamp, uid_of
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.ports import Body

Status = Mapping[str, Any]

CREATING: Final = {"waiting": {"reason": "ContainerCreating"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An event about a container."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a container comes to next, and after how long in its present state."""

    after: timedelta
    status: Status
    said: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as its Pod describes it: `ends` when it should finish by itself, as Jobs and init containers do."""

    pod: Body
    spec: Mapping[str, Any]
    fate: Fate
    restart: str  # Always, OnFailure, Never
    ends: bool
    pace: Pace

    @property
    def name(self) -> str:
        return str(self.spec.get("name"))

    @property
    def image(self) -> str:
        return str(self.spec.get("image"))

    def blank(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the status of a container that never ran."""
        return {
            "name": self.name,
            "state": state,
            "lastState": {},
            "ready": False,
            "restartCount": 0,
            "image": self.image,
            "imageID": "",
            "started": False,
        }

    def next(self, status: Status, now: datetime) -> Step | None:
        """Return the next step; None when it stays as it is."""
        state = status["state"]
        if "running" in state:
            return self._from_running(status, now)
        if "terminated" in state:
            return None
        match state.get("waiting", {}).get("reason"):
            case "ErrImagePull" if self.fate is Fate.CANNOT_PULL:
                return self._give_up_pulling(status)
            case "ImagePullBackOff" if self.fate is Fate.CANNOT_PULL:
                return None
            case "CrashLoopBackOff":
                return self._restarted(status, now)
            case _ if self.fate is Fate.CANNOT_PULL:
                return self._not_pulled(status)
            case _:
                return self._started(status, now, self.pace.pull)

    def _not_pulled(self, status: Status) -> Step:
        why = _not_found(self.image)
        waiting = {"waiting": {"reason": "ErrImagePull", "message": why}}
        said = (
            Said(reason="Pulling", message=f'Pulling image "{self.image}"'),
            Said(reason="Failed", message=f'Failed to pull image "{self.image}": {why}', warning=True),
            Said(reason="Failed", message="Error: ErrImagePull", warning=True),
        )
        return Step(after=self.pace.pull, status={**status, "state": waiting}, said=said)

    def _give_up_pulling(self, status: Status) -> Step:
        back_off = f'Back-off pulling image "{self.image}"'
        message = f"{back_off}: ErrImagePull: {_not_found(self.image)}"
        said = (
            Said(reason="BackOff", message=back_off),
            Said(reason="Failed", message="Error: ImagePullBackOff", warning=True),
        )
        waiting = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        return Step(after=self.pace.pull, status={**status, "state": waiting}, said=said)

    def _started(self, status: Status, now: datetime, after: timedelta) -> Step:
        restarts = int(status["restartCount"])
        started: dict[str, Any] = {
            **status,
            "state": {"running": {"startedAt": stamp(now)}},
            "ready": self.fate is Fate.RUNS and "readinessProbe" not in self.spec,
            "started": True,
            "imageID": f"{reference(self.image).rpartition(':')[0]}@sha256:{_hex(self.image)}",
            "containerID": f"containerd://{_hex(f'{uid_of(self.pod)}/{self.name}/{restarts}')}",
        }
        size, seconds = 20_000_000 + int(_hex(self.image)[:6], 16), self.pace.pull.total_seconds()
        took = f"{seconds:.3f}s ({seconds:.3f}s including waiting). Image size: {size} bytes."
        present = f'Container image "{self.image}" already present on machine and can be accessed by the pod'
        pulled = (
            (Said(reason="Pulled", message=present),)
            if restarts
            else (
                Said(reason="Pulling", message=f'Pulling image "{self.image}"'),
                Said(reason="Pulled", message=f'Successfully pulled image "{self.image}" in {took}'),
            )
        )
        run = (Said(reason="Created", message="Container created"), Said(reason="Started", message="Container started"))
        return Step(after=after, status=started, said=(*pulled, *run))

    def _from_running(self, status: Status, now: datetime) -> Step | None:
        match self.fate:
            case Fate.CRASHES:
                return self._exited(status, now, 1, self.pace.crash)
            case Fate.FAILS:
                return self._exited(status, now, 1, self.pace.work)
            case Fate.RUNS if self.ends:
                return self._exited(status, now, 0, self.pace.work)
            case Fate.RUNS if not status.get("ready"):
                return Step(after=self.pace.ready, status={**status, "ready": True})
            case _:
                return None

    def _exited(self, status: Status, now: datetime, code: int, after: timedelta) -> Step:
        terminated = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": status["state"]["running"]["startedAt"],
            "finishedAt": stamp(now),
            "containerID": status.get("containerID", ""),
        }
        ended = {**status, "state": {"terminated": terminated}, "ready": False, "started": False}
        if self.restart == "Never" or (self.restart == "OnFailure" and not code):
            return Step(after=after, status=ended)
        wait = _words(self.back_off(int(status["restartCount"])))
        where = f"{name_of(self.pod)}_{namespace_of(self.pod)}({uid_of(self.pod)})"
        message = f"back-off {wait} restarting failed container={self.name} pod={where}"
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        said = f"Back-off restarting failed container {self.name} in pod {where}"
        return Step(
            after=after,
            status={**ended, "state": waiting, "lastState": {"terminated": terminated}},
            said=(Said(reason="BackOff", message=said, warning=True),),
        )

    def _restarted(self, status: Status, now: datetime) -> Step:
        restarts = int(status["restartCount"])
        again = {**status, "restartCount": restarts + 1}
        return self._started(again, now, self.back_off(restarts))

    def back_off(self, restarts: int) -> timedelta:
        """Return how long a container that ended waits for its next start, doubled by each restart."""
        doubled: timedelta = self.pace.back_off * 2 ** min(restarts, 20)
        return min(doubled, self.pace.most_back_off)


def _not_found(image: str) -> str:
    full = reference(image)
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _words(wait: timedelta) -> str:
    """Return a duration as Go writes it: 10s, 1m20s, 5m0s."""
    minutes, seconds = divmod(max(round(wait.total_seconds()), 1), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
