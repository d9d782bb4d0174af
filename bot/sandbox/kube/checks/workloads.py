"""Deployments, StatefulSets, DaemonSets, ReplicaSets. Pure. Source: k8s.io/kubernetes/pkg/apis/apps/validation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.sandbox.kube.checks.fields import forbidden, immutable, invalid, negative, ordered, required, unsupported
from bot.sandbox.kube.checks.labels import check_selector, usable
from bot.sandbox.kube.checks.pods import check_restart, check_template
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.selectors import selector_of


def check_deployment(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    yield from negative("spec.replicas", spec.get("replicas"))
    yield from _selector(spec, "deployment")
    yield from _template(spec)
    yield from _strategy(spec.get("strategy") or {}, "spec.strategy")
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        yield from negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= spec.get("minReadySeconds", 0):
            yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    yield from _selector_stays(spec, old)


def check_replica_set(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    yield from negative("spec.replicas", spec.get("replicas"))
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selector(spec, "deployment")
    yield from _template(spec)
    yield from _selector_stays(spec, old)


def check_daemon_set(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    yield from _selector(spec, "daemonset")
    yield from _template(spec)
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    strategy = spec.get("updateStrategy") or {}
    rolling, at = strategy.get("rollingUpdate") or {}, "spec.updateStrategy.rollingUpdate"
    match strategy.get("type"):
        case "RollingUpdate":
            yield from _share(rolling.get("maxUnavailable"), f"{at}.maxUnavailable")
            yield from _share(rolling.get("maxSurge"), f"{at}.maxSurge")
            if _zero(rolling.get("maxUnavailable")) and _zero(rolling.get("maxSurge")):
                yield required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0")
        case "OnDelete":
            pass
        case other:
            yield unsupported("spec.updateStrategy.type", other or "", ("RollingUpdate", "OnDelete"))
    yield from negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    yield from _selector_stays(spec, old)


def check_stateful_set(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    policy = spec.get("podManagementPolicy", "")
    if policy not in {"OrderedReady", "Parallel"}:
        text = "must be 'OrderedReady' or 'Parallel'"
        yield invalid("spec.podManagementPolicy", policy, text)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") not in {"RollingUpdate", "OnDelete"}:
        yield invalid("spec.updateStrategy", dict(strategy), "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and "rollingUpdate" in strategy:
        text = "only allowed for updateStrategy 'RollingUpdate'"
        rolling = strategy["rollingUpdate"]
        shown = {"Partition": rolling.get("partition"), "MaxUnavailable": rolling.get("maxUnavailable")}
        yield invalid("spec.updateStrategy.rollingUpdate", shown, text)
    else:
        yield from negative(
            "spec.updateStrategy.rollingUpdate.partition", (strategy.get("rollingUpdate") or {}).get("partition")
        )
    yield from negative("spec.replicas", spec.get("replicas"))
    yield from negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selector(spec, "statefulset")
    yield from _template(spec)
    if old is not None:
        before = old.get("spec") or {}
        for field in ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy"):
            if spec.get(field) != before.get(field):
                yield immutable(f"spec.{field}", spec.get(field))


def _selector(spec: Mapping[str, Any], kind: str) -> Iterator[Cause]:
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
        return
    yield from check_selector(selector, "spec.selector")
    if not selector:
        yield invalid("spec.selector", {}, f"empty selector is invalid for {kind}")


def _template(spec: Mapping[str, Any]) -> Iterator[Cause]:
    """Check the Pod template, and that the selector selects its Pods."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is not None and not usable(selector):
        yield invalid("spec.selector", selector, "invalid label selector")
        return
    labels = (template.get("metadata") or {}).get("labels")
    if selector is None or (selector and not selector_of(selector).matches(labels or {})):
        yield invalid("spec.template.metadata.labels", ordered(labels), "`selector` does not match template `labels`")
    yield from check_template(template, "spec.template")
    yield from check_restart(template.get("spec") or {}, "spec.template.spec")


def _selector_stays(spec: Mapping[str, Any], old: Body | None) -> Iterator[Cause]:
    if old is not None and spec.get("selector") != (old.get("spec") or {}).get("selector"):
        yield immutable("spec.selector", spec.get("selector"))


def _strategy(strategy: Mapping[str, Any], at: str) -> Iterator[Cause]:
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            if rolling is not None:
                yield forbidden(f"{at}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            surge, unavailable = (rolling or {}).get("maxSurge"), (rolling or {}).get("maxUnavailable")
            yield from _share(unavailable, f"{at}.rollingUpdate.maxUnavailable", most=False)
            yield from _share(surge, f"{at}.rollingUpdate.maxSurge", most=False)
            if _zero(surge) and _zero(unavailable):
                yield invalid(f"{at}.rollingUpdate.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
            if isinstance(unavailable, str) and re.fullmatch(r"\d+%", unavailable) and int(unavailable[:-1]) > 100:
                yield invalid(f"{at}.rollingUpdate.maxUnavailable", unavailable, "must not be greater than 100%")
        case _:
            shown = {"Type": strategy.get("type", ""), "RollingUpdate": rolling}
            yield unsupported(at, shown, ("Recreate", "RollingUpdate"))


def _share(value: Any, at: str, *, most: bool = True) -> Iterator[Cause]:
    """Check a number or a percentage; `most` says that no more than all can be meant."""
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]+%", value):
            text = (
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                "regex used for validation is '[0-9]+%')"
            )
            yield invalid(at, value, text)
        elif most and int(value[:-1]) > 100:
            yield invalid(at, value, "must not be greater than 100%")
    else:
        yield from negative(at, value)


def _zero(value: Any) -> bool:
    return value in (0, "0%")
