"""Jobs: Pods until enough of them succeeded or too many failed, counted once each.

A Pod carries the tracking finalizer until it is counted; between its end and its count its uid stands in
`uncountedTerminatedPods`. Source: k8s.io/kubernetes/pkg/controller/job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers.claims import claim
from bot.sandbox.kube.controllers.decision import NOTHING, Decision, Delete, Tell, Update, Write
from bot.sandbox.kube.controllers.indexes import compact, expand, index_of
from bot.sandbox.kube.controllers.objects import (
    annotations_of,
    condition_of,
    controller_of,
    is_leaving,
    is_ready,
    is_running,
    metadata,
    moment,
    name_of,
    namespace_of,
    spec_of,
    stamp,
    status_of,
    time_until,
    uid_of,
    with_status,
    without_finalizer,
)
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.pod_template import create_pod, delete_pod, generated, pod_of
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body, Propagation

RESOURCE: Final = "jobs.batch"
COMPONENT: Final = "job-controller"
TRACKING: Final = "batch.kubernetes.io/job-tracking"
INDEX: Final = "batch.kubernetes.io/job-completion-index"
_MOST_RETRY: Final = timedelta(minutes=10)


def decide(job: Body, view: View, now: datetime, *, pace: Pace) -> Decision:
    """Return the Pods to make or end, what to count, and the status; after the end, whether to go."""
    if finished := finish_of(job):
        return _after(job, finished, view, now)
    claimed = claim(job, "pods", view)
    if claimed.writes:
        return Decision(writes=claimed.writes)
    return _Sync(job, claimed.mine, now, pace).decide()


def release(pod: Body, view: View, now: datetime) -> Decision:
    """Let go of a Pod whose Job is no more: its finalizer would keep it for ever."""
    if not _is_tracked(pod):
        return NOTHING
    owner = controller_of(pod) or {}
    job = view.get(RESOURCE, namespace_of(pod), str(owner.get("name")))
    if job is not None and uid_of(job) == owner.get("uid") and not finish_of(job) and not is_leaving(job):
        return NOTHING
    return Decision(writes=(_untracked(pod),))


def finish_of(job: Body) -> Mapping[str, Any] | None:
    """Return the condition that says a Job is over."""
    for type in ("Complete", "Failed"):
        if (one := condition_of(job, type)) and one.get("status") == "True":
            return one
    return None


def _after(job: Body, finished: Mapping[str, Any], view: View, now: datetime) -> Decision:
    kept = spec_of(job).get("ttlSecondsAfterFinished")
    if kept is None or is_leaving(job):
        return NOTHING
    wait = time_until(moment(str(finished["lastTransitionTime"])) + timedelta(seconds=int(kept)), now)
    if wait:
        return Decision(again_in=wait)
    gone = Delete(
        resource=RESOURCE,
        namespace=namespace_of(job),
        name=name_of(job),
        uid=uid_of(job),
        propagation=Propagation.FOREGROUND,
    )
    return Decision(writes=(gone,))


class _Sync:
    """One look at a Job that is not over."""

    def __init__(self, job: Body, pods: Sequence[Body], now: datetime, pace: Pace) -> None:
        self.job, self.pods, self.now, self.pace = job, pods, now, pace
        self.spec, self.before = spec_of(job), status_of(job)
        self.active = [pod for pod in pods if is_running(pod)]
        self.writes: list[Write] = []
        self.waits: list[timedelta] = []
        self.conditions: list[Mapping[str, Any]] = list(self.before.get("conditions") or ())
        self.start: str | None = self.before.get("startTime")
        self.suspended = bool(self.spec.get("suspend"))
        if self.start is None and not self.suspended:
            self.start = stamp(now)
        self._count()

    def _count(self) -> None:
        """Move the uids of Pods without finalizer into the counters, and list those that ended since."""
        tracked = {uid_of(pod): pod for pod in self.pods if _is_tracked(pod)}
        listed: Mapping[str, Sequence[str]] = self.before.get("uncountedTerminatedPods") or {}
        self.succeeded = int(self.before.get("succeeded") or 0)
        self.failed = int(self.before.get("failed") or 0)
        self.uncounted: dict[str, list[str]] = {"succeeded": [], "failed": []}
        for uid in listed.get("succeeded") or ():
            if uid in tracked:
                self.uncounted["succeeded"].append(uid)
            else:
                self.succeeded += 1
        for uid in listed.get("failed") or ():
            if uid in tracked:
                self.uncounted["failed"].append(uid)
            else:
                self.failed += 1
        self.indexes = expand(str(self.before.get("completedIndexes") or ""))
        for uid, pod in tracked.items():
            if uid in (*self.uncounted["succeeded"], *self.uncounted["failed"]):
                continue
            if status_of(pod).get("phase") == "Succeeded":
                if self._is_indexed:
                    self.indexes.add(index_of(annotations_of(pod).get(INDEX, "")))
                else:
                    self.uncounted["succeeded"].append(uid)
            elif status_of(pod).get("phase") == "Failed" or is_leaving(pod):
                self.uncounted["failed"].append(uid)
        if self._is_indexed:
            self.succeeded = len(self.indexes)

    @property
    def _is_indexed(self) -> bool:
        return self.spec.get("completionMode") == "Indexed"

    @property
    def _successes(self) -> int:
        return self.succeeded + len(self.uncounted["succeeded"])

    @property
    def _failures(self) -> int:
        return self.failed + len(self.uncounted["failed"])

    def decide(self) -> Decision:
        ending = self._ending()
        if ending is None and not is_leaving(self.job):
            self._manage()
            ending = self._success()
        elif ending is not None and ending[0] == "FailureTarget":
            self._end_pods(self.active)
        if ending is not None:
            self._say(*ending)
            self._finish(*ending)
        else:
            self._suspension()
        counted = [*self.uncounted["succeeded"], *self.uncounted["failed"]]
        leaving = ending is not None or is_leaving(self.job)
        for pod in self.pods:
            ended = uid_of(pod) in counted or status_of(pod).get("phase") == "Succeeded"
            if _is_tracked(pod) and (ended or (leaving and is_leaving(pod))):
                self.writes.append(_untracked(pod))
        status = self._status()
        if status != self.before:
            update = Update(resource=RESOURCE, body=with_status(self.job, status), subresource="status")
            self.writes.insert(0, update)
        return Decision(writes=tuple(self.writes), again_in=min(self.waits, default=None))

    def _ending(self) -> tuple[str, str, str] | None:
        """Return how the Job ends, if it does: condition type, reason, message."""
        for type in ("SuccessCriteriaMet", "FailureTarget"):
            if (one := condition_of(self.job, type)) and one.get("status") == "True":
                return type, str(one["reason"]), str(one["message"])
        limit = int(self.spec.get("backoffLimit", 6))
        if self._failures > limit or self._restarts_exceed(limit):
            return "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        allowed = self.spec.get("activeDeadlineSeconds")
        if allowed is not None and self.start is not None and not self.suspended:
            wait = time_until(moment(self.start) + timedelta(seconds=int(allowed)), self.now)
            if not wait:
                return "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"
            self.waits.append(wait)
        return None

    def _restarts_exceed(self, limit: int) -> bool:
        template = (self.spec.get("template") or {}).get("spec") or {}
        if template.get("restartPolicy") != "OnFailure":
            return False
        restarts = sum(
            int(one.get("restartCount") or 0)
            for pod in self.active
            for one in status_of(pod).get("containerStatuses") or ()
        )
        return restarts > 0 if limit == 0 else restarts >= limit

    def _manage(self) -> None:
        """Make or end Pods so that as many run as may; a failure delays the next one."""
        wanted = self._wanted()
        if len(self.active) > wanted:
            self._end_pods(self.active[wanted:])
            return
        missing = wanted - len(self.active)
        if not missing:
            return
        if wait := self._back_off():
            self.waits.append(wait)
            return
        taken = {index_of(annotations_of(pod).get(INDEX, "")) for pod in self.active} | self.indexes
        free = (number for number in range(int(self.spec.get("completions") or 0)) if number not in taken)
        for number in range(missing):
            index = next(free, None) if self._is_indexed else None
            base = f"{name_of(self.job)}-" if index is None else f"{name_of(self.job)}-{index}-"
            pod = pod_of(self.job, **generated(self.job, base, self.pods, number), finalizers=[TRACKING])
            if index is not None:
                for part in ("annotations", "labels"):
                    pod["metadata"][part] = {**pod["metadata"].get(part, {}), INDEX: str(index)}
            self.writes += create_pod(pod, self.job, COMPONENT)

    def _wanted(self) -> int:
        if self.suspended:
            return 0
        parallelism, completions = int(self.spec.get("parallelism", 1)), self.spec.get("completions")
        if completions is None:
            return min(len(self.active), parallelism) if self._successes else parallelism
        return max(min(int(completions) - self._successes, parallelism), 0)

    def _back_off(self) -> timedelta:
        """Return how long to wait before the next Pod: doubled by each failure since the last success."""
        ended = [(_ended_at(pod), status_of(pod).get("phase")) for pod in self.pods if not is_running(pod)]
        last = max((at for at, phase in ended if at and phase == "Failed"), default=None)
        if last is None or any(at and at >= last and phase == "Succeeded" for at, phase in ended):
            return timedelta(0)
        wait = min(self.pace.retry * 2 ** min(self._failures - 1, 20), _MOST_RETRY)
        return time_until(last + wait, self.now)

    def _end_pods(self, pods: Sequence[Body]) -> None:
        for pod in pods:
            self.writes += delete_pod(pod, self.job, COMPONENT)
        self.active = [pod for pod in self.active if pod not in pods]

    def _success(self) -> tuple[str, str, str] | None:
        completions = self.spec.get("completions")
        enough = self._successes > 0 if completions is None else self._successes >= int(completions)
        if not enough or self.active:
            return None
        return "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"

    def _suspension(self) -> None:
        current = condition_of(self.job, "Suspended")
        if self.suspended and (current or {}).get("status") != "True":
            self._say("Suspended", "JobSuspended", "Job suspended")
            self.start = None
            self._tell("Suspended", "Job suspended")
        elif not self.suspended and current is not None and current.get("status") == "True":
            self._say("Suspended", "JobResumed", "Job resumed", status="False")
            self.start = stamp(self.now)
            self._tell("Resumed", "Job resumed")

    def _finish(self, type: str, reason: str, message: str) -> None:
        """Say that it is over, once every Pod is counted and gone."""
        if self.uncounted["succeeded"] or self.uncounted["failed"] or any(is_leaving(pod) for pod in self.pods):
            return
        if any(is_running(pod) for pod in self.pods):
            return
        failed = type == "FailureTarget"
        self._say("Failed" if failed else "Complete", reason, message)
        if failed:
            self._tell(reason, message, warning=True)
        else:
            self._tell("Completed", "Job completed")

    def _say(self, type: str, reason: str, message: str, *, status: str = "True") -> None:
        known = next((one for one in self.conditions if one.get("type") == type), None)
        if known is not None and known.get("status") == status:
            return
        times = {"lastProbeTime": stamp(self.now), "lastTransitionTime": stamp(self.now)}
        said = {"type": type, "status": status, **times, "reason": reason, "message": message}
        self.conditions = [*(one for one in self.conditions if one is not known), said]

    def _tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        self.writes.append(Tell(about=self.job, reason=reason, message=message, component=COMPONENT, warning=warning))

    def _status(self) -> dict[str, Any]:
        counts = {"active": len(self.active), "succeeded": self.succeeded, "failed": self.failed}
        complete = next((one for one in self.conditions if one.get("type") == "Complete"), None)
        optional: dict[str, Any] = {
            "conditions": self.conditions,
            "startTime": self.start,
            "completionTime": complete["lastTransitionTime"] if complete else None,
            "completedIndexes": compact(self.indexes),
            **counts,
        }
        return {
            **{key: value for key, value in optional.items() if value},
            "ready": sum(is_ready(pod) for pod in self.active),
            "terminating": sum(
                is_leaving(pod) and status_of(pod).get("phase") not in ("Succeeded", "Failed") for pod in self.pods
            ),
            "uncountedTerminatedPods": {key: uids for key, uids in self.uncounted.items() if uids},
        }


def _is_tracked(pod: Body) -> bool:
    return TRACKING in (metadata(pod).get("finalizers") or ())


def _untracked(pod: Body) -> Update:
    return Update(resource="pods", body=without_finalizer(pod, TRACKING))


def _ended_at(pod: Body) -> datetime | None:
    ends = [
        (one.get("state") or {}).get("terminated", {}).get("finishedAt")
        for one in status_of(pod).get("containerStatuses") or ()
    ]
    return max((moment(str(end)) for end in ends if end), default=None)
