"""What becomes of Jobs and CronJobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.sandbox.kube.controllers.indexes import compact, expand
from bot.sandbox.kube.controllers.schedules import ScheduleError, last_before, next_after
from tests.sandbox.kube.controllers.world import START, World, condition, named, template

FAILING = "gitops-bot.test/failing-job:1"


def job_spec(image: str = "shop/migrate:1", restart: str = "Never", **spec: Any) -> dict[str, Any]:
    """Return the spec of a Job with the defaults of the API server."""
    defaults = {"parallelism": 1, "completions": 1, "backoffLimit": 6}
    return {**defaults, "template": template(image, "one", restartPolicy=restart), **spec}


def job(image: str = "shop/migrate:1", restart: str = "Never", **spec: Any) -> dict[str, Any]:
    return named("batch/v1", "Job", "one", spec=job_spec(image, restart, **spec))


def conditions(world: World) -> list[tuple[str, str, str]]:
    return [(one["type"], one["status"], one["reason"]) for one in world.status("jobs.batch", "one")["conditions"]]


def test_job_completes_and_its_pod_stays(world: World) -> None:
    world.create("jobs.batch", job())
    world.live(0.3)
    assert world.status("jobs.batch", "one")["active"] == 1
    world.live(1)
    status = world.status("jobs.batch", "one")
    assert conditions(world) == [
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]
    assert {key: value for key, value in status.items() if key not in ("conditions", "startTime")} == {
        "succeeded": 1,
        "ready": 0,
        "terminating": 0,
        "completionTime": condition(status, "Complete")["lastTransitionTime"],
        "uncountedTerminatedPods": {},
    }
    assert world.states() == ["Completed"]
    assert "finalizers" not in world.pods()[0]["metadata"]
    assert world.told("one")[-1] == "Completed: Job completed"


def test_failing_job_tries_again_ever_later_and_gives_up(world: World) -> None:
    world.create("jobs.batch", job(FAILING, backoffLimit=2))
    ages: list[timedelta] = []
    for _ in range(1000):
        world.live(0.01)
        if len(world.pods()) > len(ages):
            ages.append(world.now - START)
    assert len(ages) == 3
    assert ages[2] - ages[1] > ages[1] - ages[0]
    assert conditions(world) == [
        ("FailureTarget", "True", "BackoffLimitExceeded"),
        ("Failed", "True", "BackoffLimitExceeded"),
    ]
    assert world.status("jobs.batch", "one")["failed"] == 3
    assert world.told("one")[-1] == "BackoffLimitExceeded: Job has reached the specified backoff limit"


def test_job_that_restarts_its_container_keeps_one_pod(world: World) -> None:
    world.create("jobs.batch", job(FAILING, restart="OnFailure", backoffLimit=2))
    world.live(1)
    assert world.states() == ["CrashLoopBackOff"]
    world.live(20)
    assert world.names("pods") == []
    assert conditions(world)[-1] == ("Failed", "True", "BackoffLimitExceeded")


def test_parallel_job_runs_no_more_pods_than_it_may(world: World) -> None:
    world.create("jobs.batch", job(parallelism=2, completions=5))
    most = 0
    for _ in range(400):
        world.live(0.01)
        most = max(most, world.status("jobs.batch", "one").get("active", 0))
    assert most == 2
    assert world.status("jobs.batch", "one")["succeeded"] == 5


def test_indexed_job_gives_each_pod_its_index(world: World) -> None:
    world.create("jobs.batch", job(parallelism=3, completions=4, completionMode="Indexed"))
    world.live(5)
    indexes = [pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in world.pods()]
    assert sorted(indexes) == ["0", "1", "2", "3"]
    status = world.status("jobs.batch", "one")
    assert (status["succeeded"], status["completedIndexes"]) == (4, "0-3")


@pytest.mark.parametrize("text", ["", "3", "0-3", "1,2", "0,2-5,9"])
def test_indexes_survive_being_written(text: str) -> None:
    assert compact(expand(text)) == text


def test_suspended_job_has_no_pods_until_it_is_resumed(world: World) -> None:
    world.create("jobs.batch", job(suspend=True))
    world.live(1)
    assert world.pods() == []
    assert conditions(world) == [("Suspended", "True", "JobSuspended")]
    assert "startTime" not in world.status("jobs.batch", "one")
    world.update("jobs.batch", "one", suspend=False)
    world.live(2)
    assert condition(world.status("jobs.batch", "one"), "Suspended")["reason"] == "JobResumed"
    assert condition(world.status("jobs.batch", "one"), "Complete")["status"] == "True"


def test_job_that_takes_too_long_is_ended(world: World) -> None:
    world.create("jobs.batch", job("gitops-bot.test/never-ready:1", activeDeadlineSeconds=10))
    world.live(9)
    assert world.status("jobs.batch", "one")["active"] == 1
    world.live(3)
    assert conditions(world)[-1] == ("Failed", "True", "DeadlineExceeded")
    assert world.pods() == []


def test_finished_job_goes_after_its_time(world: World) -> None:
    world.create("jobs.batch", job(ttlSecondsAfterFinished=60))
    world.live(59)
    assert world.names("jobs.batch") == ["one"]
    world.live(5)
    assert world.names("jobs.batch") == []
    assert world.pods() == []


def test_deleted_job_takes_its_running_pods_along(world: World) -> None:
    """The tracking finalizer of a Pod whose Job is gone would keep it for ever."""
    world.create("jobs.batch", job("gitops-bot.test/never-ready:1"))
    world.live(1)
    world.delete("jobs.batch", "one")
    world.live(1)
    assert world.pods() == []


def cron_job(schedule: str = "*/10 * * * *", image: str = "shop/report:1", **spec: Any) -> dict[str, Any]:
    limits = {"successfulJobsHistoryLimit": 2, "failedJobsHistoryLimit": 1, "concurrencyPolicy": "Allow"}
    template = {"metadata": {"labels": {"of": "report"}}, "spec": job_spec(image)}
    return named(
        "batch/v1", "CronJob", "report", spec={"schedule": schedule, "jobTemplate": template, **limits, **spec}
    )


def test_cron_job_starts_a_job_at_its_times_and_forgets_the_old(world: World) -> None:
    world.create("cronjobs.batch", cron_job())
    world.live(599)
    assert world.names("jobs.batch") == []
    world.live(1.5)
    minutes = int(START.timestamp()) // 60
    assert world.names("jobs.batch") == [f"report-{minutes + 10}"]
    made = world.get("jobs.batch", f"report-{minutes + 10}")
    assert made["metadata"]["annotations"] == {
        "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T00:10:00Z"
    }
    world.live(10)
    status = world.status("cronjobs.batch", "report")
    assert status["lastScheduleTime"] == "2026-01-01T00:10:00Z"
    assert status["lastSuccessfulTime"] >= "2026-01-01T00:10:00Z"
    assert "active" not in status
    world.live(3600)
    assert world.names("jobs.batch") == [f"report-{minutes + 60}", f"report-{minutes + 70}"]
    assert f"SawCompletedJob: Saw completed job: report-{minutes + 60}, condition: Complete" in world.told("report")


@pytest.mark.parametrize(("policy", "running"), [("Allow", 3), ("Forbid", 1), ("Replace", 1)])
def test_concurrency_policy_decides_about_a_job_that_still_runs(world: World, policy: str, running: int) -> None:
    world.create("cronjobs.batch", cron_job(image="gitops-bot.test/never-ready:1", concurrencyPolicy=policy))
    world.live(1850)
    assert len(world.names("jobs.batch")) == running
    assert len(world.status("cronjobs.batch", "report")["active"]) == running


def test_suspended_cron_job_starts_nothing(world: World) -> None:
    world.create("cronjobs.batch", cron_job(suspend=True))
    world.live(3600)
    assert world.names("jobs.batch") == []


def test_time_missed_while_suspended_is_too_late(world: World) -> None:
    world.create("cronjobs.batch", cron_job(suspend=True, startingDeadlineSeconds=100))
    world.live(800)
    world.update("cronjobs.batch", "report", suspend=False)
    world.live(1)
    assert world.names("jobs.batch") == []
    assert any(line.startswith("MissSchedule: Missed scheduled time") for line in world.told("report"))


def test_schedule_is_read_in_its_time_zone() -> None:
    assert next_after("0 18 * * 5", "", START) == START.replace(day=2, hour=18)
    assert next_after("0 18 * * 5", "Europe/Lisbon", START + timedelta(days=200)) == START.replace(
        month=7, day=24, hour=17
    )
    assert last_before("@hourly", "", START) == START
    assert last_before("0 0 1 * ?", "", START - timedelta(seconds=1)) == START.replace(year=2025, month=12)


@pytest.mark.parametrize(("schedule", "zone"), [("61 * * * *", ""), ("* * *", ""), ("* * * * *", "Mars/Base")])
def test_unreadable_schedule_is_an_error(schedule: str, zone: str) -> None:
    with pytest.raises(ScheduleError):
        next_after(schedule, zone, START)
