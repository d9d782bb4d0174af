"""CronJobs: a Job at each time of the schedule, and no more old Jobs than wanted.

Source: k8s.io/kubernetes/pkg/controller/cronjob.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers import job as jobs
from bot.sandbox.kube.controllers.decision import Create, Decision, Delete, Tell, Update, Write
from bot.sandbox.kube.controllers.objects import (
    controlled_by,
    is_leaving,
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
)
from bot.sandbox.kube.controllers.schedules import ScheduleError, last_before, next_after
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body, Propagation

RESOURCE: Final = "cronjobs.batch"
COMPONENT: Final = "cronjob-controller"
SCHEDULED_AT: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def decide(cron_job: Body, view: View, now: datetime) -> Decision:
    """Return the Job that is due, the Jobs to forget, the status, and when the next one is due."""
    children = sorted(view.owned(jobs.RESOURCE, cron_job), key=_started)
    running = [one for one in children if not jobs.finish_of(one)]
    writes = _seen_finished(cron_job, children) + _history(cron_job, children)
    status = _status(cron_job, children, running)
    again_in = None
    if not is_leaving(cron_job) and not spec_of(cron_job).get("suspend"):
        due, again_in, told = _due(cron_job, now)
        writes += told
        if due is not None:
            started = _start(cron_job, running, due)
            writes += started
            if any(isinstance(write, Create) for write in started):
                status["lastScheduleTime"] = stamp(due)
    if status != status_of(cron_job):
        writes.append(Update(resource=RESOURCE, body=with_status(cron_job, status), subresource="status"))
    return Decision(writes=tuple(writes), again_in=again_in)


def _due(cron_job: Body, now: datetime) -> tuple[datetime | None, timedelta | None, list[Write]]:
    """Return the time a Job is due for, how long until the next, and what to say about it."""
    spec = spec_of(cron_job)
    schedule, zone = str(spec.get("schedule")), str(spec.get("timeZone") or "")
    try:
        last, following = last_before(schedule, zone, now), next_after(schedule, zone, now)
    except ScheduleError as error:
        message = f'unparseable schedule: "{schedule}" : {error}'
        return None, None, [_told(cron_job, "UnparseableSchedule", message, warning=True)]
    again_in = None if following is None else time_until(following, now)
    known = status_of(cron_job).get("lastScheduleTime") or metadata(cron_job).get("creationTimestamp")
    if last is None or (known and last <= moment(str(known))):
        return None, again_in, []
    allowed = spec.get("startingDeadlineSeconds")
    if allowed is not None and last + timedelta(seconds=int(allowed)) < now:
        message = f"Missed scheduled time to start a job: {last.strftime('%a, %d %b %Y %H:%M:%S +0000')}"
        return None, again_in, [_told(cron_job, "MissSchedule", message, warning=True)]
    return last, again_in, []


def _start(cron_job: Body, running: Sequence[Body], due: datetime) -> list[Write]:
    policy = spec_of(cron_job).get("concurrencyPolicy")
    if policy == "Forbid" and running:
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return [_told(cron_job, "JobAlreadyActive", message)]
    replaced = [write for one in running for write in _delete(cron_job, one)] if policy == "Replace" else []
    template: Mapping[str, Any] = spec_of(cron_job).get("jobTemplate") or {}
    of_template = template.get("metadata") or {}
    name = f"{name_of(cron_job)}-{int(due.timestamp()) // 60}"
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": namespace_of(cron_job),
            **({"labels": dict(of_template["labels"])} if of_template.get("labels") else {}),
            "annotations": {**(of_template.get("annotations") or {}), SCHEDULED_AT: stamp(due)},
            "ownerReferences": [controlled_by(cron_job)],
        },
        "spec": dict(template.get("spec") or {}),
    }
    created = Create(resource=jobs.RESOURCE, body=body)
    return [*replaced, created, _told(cron_job, "SuccessfulCreate", f"Created job {name}")]


def _seen_finished(cron_job: Body, children: Sequence[Body]) -> list[Write]:
    active = {one.get("uid") for one in status_of(cron_job).get("active") or ()}
    return [
        _told(cron_job, "SawCompletedJob", f"Saw completed job: {name_of(one)}, condition: {end['type']}")
        for one in children
        if uid_of(one) in active and (end := jobs.finish_of(one))
    ]


def _history(cron_job: Body, children: Sequence[Body]) -> list[Write]:
    """Delete the oldest finished Jobs beyond the limits."""
    writes: list[Write] = []
    for type, key in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        limit = spec_of(cron_job).get(key)
        ended = [one for one in children if (jobs.finish_of(one) or {}).get("type") == type and not is_leaving(one)]
        if limit is not None:
            for one in ended[: max(len(ended) - int(limit), 0)]:
                writes += _delete(cron_job, one)
    return writes


def _status(cron_job: Body, children: Sequence[Body], running: Sequence[Body]) -> dict[str, Any]:
    before = status_of(cron_job)
    active = [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name_of(one),
            "namespace": namespace_of(one),
            "resourceVersion": str(known.get("resourceVersion")),
            "uid": uid_of(one),
        }
        for one in running
        for known in [_known(before, uid_of(one)) or metadata(one)]
    ]
    successes = [str(end) for one in children if (end := status_of(one).get("completionTime"))]
    status = {
        "active": active,
        "lastScheduleTime": before.get("lastScheduleTime"),
        "lastSuccessfulTime": max([*successes, str(before.get("lastSuccessfulTime") or "")], default=""),
    }
    return {key: value for key, value in status.items() if value}


def _known(status: Mapping[str, Any], uid: str) -> Mapping[str, Any] | None:
    return next((one for one in status.get("active") or () if one.get("uid") == uid), None)


def _started(job: Body) -> tuple[str, str]:
    return str(status_of(job).get("startTime") or metadata(job).get("creationTimestamp") or ""), name_of(job)


def _delete(cron_job: Body, job: Body) -> list[Write]:
    gone = Delete(
        resource=jobs.RESOURCE,
        namespace=namespace_of(job),
        name=name_of(job),
        uid=uid_of(job),
        propagation=Propagation.BACKGROUND,
    )
    return [gone, _told(cron_job, "SuccessfulDelete", f"Deleted job {name_of(job)}")]


def _told(cron_job: Body, reason: str, message: str, *, warning: bool = False) -> Tell:
    return Tell(about=cron_job, reason=reason, message=message, component=COMPONENT, warning=warning)
