"""Jobs and CronJobs. Pure. Source: k8s.io/kubernetes/pkg/apis/batch/validation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.sandbox.kube.checks.fields import immutable, invalid, negative, ordered, required, unsupported
from bot.sandbox.kube.checks.labels import check_selector
from bot.sandbox.kube.checks.pods import check_template
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.selectors import selector_of

_NAME_LIMIT: Final = 52  # a CronJob appends eleven characters to make the names of its Jobs
_COUNTS: Final = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
_UID: Final = "batch.kubernetes.io/controller-uid"
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIELDS: Final[Sequence[tuple[int, int, Sequence[str]]]] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_NAMED: Final = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def check_job(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    template = spec.get("template") or {}
    selector, labels = spec.get("selector"), (template.get("metadata") or {}).get("labels")
    if selector is None:
        yield required("spec.selector")
    else:
        yield from check_selector(selector, "spec.selector")
        uid = body["metadata"].get("uid")
        if old is None and not spec.get("manualSelector") and selector.get("matchLabels") != {_UID: uid}:
            yield invalid("spec.selector", selector, "`selector` not auto-generated")
    if selector is None or not selector_of(selector).matches(labels or {}):
        yield invalid("spec.template.metadata.labels", ordered(labels), "`selector` does not match template `labels`")
    yield from _job_spec(spec, "spec")
    if old is not None:
        yield from _job_stays(spec, old.get("spec") or {}, old)


def _job_spec(spec: Mapping[str, Any], at: str) -> Iterator[Cause]:
    for field in _COUNTS:
        yield from negative(f"{at}.{field}", spec.get(field))
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in {"NonIndexed", "Indexed"}:
        yield unsupported(f"{at}.completionMode", mode, ("NonIndexed", "Indexed"), ordered=True)
    elif mode == "Indexed" and "completions" not in spec:
        yield required(f"{at}.completions", "when completion mode is Indexed")
    replacement = spec.get("podReplacementPolicy", "Failed")
    if replacement not in {"Failed", "TerminatingOrFailed"}:
        yield unsupported(f"{at}.podReplacementPolicy", replacement, ("Failed", "TerminatingOrFailed"))
    template = spec.get("template") or {}
    yield from check_template(template, f"{at}.template")
    policy = (template.get("spec") or {}).get("restartPolicy", "")
    if policy == "Always":
        yield required(f"{at}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')


def _job_stays(spec: Mapping[str, Any], before: Mapping[str, Any], old: Body) -> Iterator[Cause]:
    completions = spec.get("completions")
    if completions != before.get("completions"):
        if spec.get("completionMode") != "Indexed":
            yield immutable("spec.completions", completions)
        elif completions is not None and completions != spec.get("parallelism"):
            yield invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism")
    if spec.get("selector") != before.get("selector"):
        yield immutable("spec.selector", spec.get("selector"))
    suspended = before.get("suspend") and not (old.get("status") or {}).get("startTime")
    if _fixed(spec, suspended=bool(suspended)) != _fixed(before, suspended=bool(suspended)):
        template = spec.get("template") or {}
        yield (
            immutable("spec.template.spec", template.get("spec")) if suspended else immutable("spec.template", template)
        )
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        if spec.get(field) != before.get(field):
            yield immutable(f"spec.{field}", spec.get(field))


def _fixed(spec: Mapping[str, Any], *, suspended: bool) -> Mapping[str, Any]:
    """Return what of a Job's template never changes; a suspended one may still learn where to run."""
    template = spec.get("template") or {}
    if not suspended:
        return template
    free = {"nodeSelector", "tolerations", "affinity", "schedulingGates"}
    kept = {key: value for key, value in (template.get("spec") or {}).items() if key not in free}
    kept["containers"] = [
        {key: value for key, value in one.items() if key != "resources"} for one in kept.get("containers") or ()
    ]
    return {"spec": kept}


def check_cron_job(body: Body, old: Body | None) -> Iterator[Cause]:
    spec, name = body.get("spec") or {}, body["metadata"].get("name", "")
    if len(name) > _NAME_LIMIT:
        yield invalid("metadata.name", name, f"must be no more than {_NAME_LIMIT} characters")
    schedule = spec.get("schedule", "")
    if not schedule:
        yield required("spec.schedule")
    else:
        yield from (invalid("spec.schedule", schedule, text) for text in wrong_schedule(schedule))
    yield from negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    zone = spec.get("timeZone")
    if zone is not None:
        yield from (invalid("spec.timeZone", zone, text) for text in _wrong_zone(zone))
    policy = spec.get("concurrencyPolicy", "")
    if policy not in {"Allow", "Forbid", "Replace"}:
        yield unsupported("spec.concurrencyPolicy", policy, ("Allow", "Forbid", "Replace"))
    yield from _job_spec((spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from negative(f"spec.{field}", spec.get(field))


def _wrong_zone(zone: str) -> Iterator[str]:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield f"unknown time zone {zone}"


def wrong_schedule(text: str) -> Iterator[str]:
    """Say what is wrong with a cron expression (github.com/robfig/cron/v3, standard parser)."""
    if "TZ" in text:
        yield "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        return
    if text.startswith("@"):
        if text not in _NAMED and not re.fullmatch(r"@every (\d+(\.\d+)?(h|ms|m|s))+", text):
            yield f"unrecognized descriptor: {text}"
        return
    parts = text.split()
    if len(parts) != len(_FIELDS):
        yield f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
        return
    for part, (low, high, names) in zip(parts, _FIELDS, strict=True):
        for piece in part.split(","):
            yield from _wrong_piece(piece, low, high, names)


def _wrong_piece(piece: str, low: int, high: int, names: Sequence[str]) -> Iterator[str]:
    span, _, step = piece.partition("/")
    first, dash, last = span.partition("-")
    if first in {"*", "?"}:
        first, last = str(low), str(high)
    elif not dash:
        last = str(high) if step else first
    offset = 1 if names is _MONTHS else 0
    numbers = []
    for one in (first, last):
        if one.lower() in names:
            numbers.append(names.index(one.lower()) + offset)
        elif one.isdigit():
            numbers.append(int(one))
        else:
            yield f'failed to parse int from {one}: strconv.Atoi: parsing "{one}": invalid syntax'
            return
    start, end = numbers
    if start < low:
        yield f"beginning of range ({start}) below minimum ({low}): {piece}"
    elif end > high:
        yield f"end of range ({end}) above maximum ({high}): {piece}"
    elif start > end:
        yield f"beginning of range ({start}) beyond end of range ({end}): {piece}"
    elif step and step == "0":
        yield f"step of range should be a positive number: {piece}"
