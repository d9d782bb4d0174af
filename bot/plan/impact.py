"""What a plan means for those who live on the cluster, in sentences.

Pure. In goes what was judged of each object with its live and predicted bodies, out come sentences: workloads that
restart, images and sizes that change, what is deleted with all it holds, rights that widen. Numbers are those of the
moment of the plan. Where the server could not be asked, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from bot.model.plan import Action, Change
from bot.model.resource import Body
from bot.plan.diff import compare
from bot.plan.judged import Judged, at
from bot.plan.reach import budgets, bystanders, reach

_RBAC: Final = "rbac.authorization.k8s.io"
_ROLLED: Final = frozenset({("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet")})
_SCALED: Final = frozenset({("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "ReplicaSet")})
_LOST_WITH: Final[Mapping[tuple[str, str], str]] = {
    ("", "Namespace"): "with everything in it",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "with every object of its kind",
    ("", "PersistentVolumeClaim"): "and its data with it, unless the reclaim policy of its volume retains it",
}
_LIMIT: Final = 5  # subjects or rights named in one sentence


def impact(judged: Iterable[Judged], changes: Sequence[Change]) -> tuple[str, ...]:
    """Return the sentences, in the order of what was judged; `changes` are all of the plan."""
    others = bystanders(changes)
    return tuple(sentence for one in judged for sentence in _sentences(one, others))


def _sentences(one: Judged, others: Sequence[Change]) -> Iterator[str]:
    kind = (one.change.id.group, one.change.id.kind)
    match one.change.action:
        case Action.UPDATE if one.live is not None and one.predicted is not None:
            if kind in _ROLLED:
                yield from _rollout(one.change, one.live, one.predicted, budgets(one, others))
            if kind in _SCALED:
                yield from _scaling(one.change, one.live, one.predicted)
            yield from _rights(one.change, one.live, one.predicted)
            yield from reach(one, others)
        case Action.CREATE if one.predicted is not None:
            yield from _rights(one.change, {}, one.predicted)
            yield from reach(one, others)
        case Action.RECREATE | Action.DELETE:
            word = "is deleted" if one.change.action is Action.DELETE else "is deleted and created again"
            if kind in _LOST_WITH:
                yield f"{one.change.id} {word} {_LOST_WITH[kind]}"
            elif kind in _ROLLED and one.live is not None and (pods := _pods(one.change, one.live)):
                yield f"{one.change.id} {word}: {_count(pods, 'pod')} {'stop' if pods > 1 else 'stops'}"
        case _:
            return


def _rollout(change: Change, live: Body, predicted: Body, covered: str) -> Iterator[str]:
    changed = compare(at(live, "spec", "template") or {}, at(predicted, "spec", "template") or {})
    if not changed:
        return
    pods = _pods(change, live)
    strategy = at(predicted, "spec", "updateStrategy", "type")
    if strategy == "OnDelete":
        yield f"{change.id} changes its pods when someone deletes them (updateStrategy OnDelete)"
    elif at(predicted, "spec", "paused") is True:
        yield f"{change.id} is paused: its pods keep the old template until its rollout resumes"
    elif pods:
        at_once = ", all at once (strategy Recreate)" if at(predicted, "spec", "strategy", "type") == "Recreate" else ""
        yield f"{change.id} restarts {_count(pods, 'pod')}{at_once}{covered}"
    old, new = _images(live), _images(predicted)
    for name in old:
        if name in new and old[name] != new[name]:
            yield f"{change.id} container {name} goes from image {old[name]} to {new[name]}"


def _scaling(change: Change, live: Body, predicted: Body) -> Iterator[str]:
    before, after = at(live, "spec", "replicas"), at(predicted, "spec", "replicas")
    if isinstance(before, int) and isinstance(after, int) and before != after:
        yield f"{change.id} scales from {before} to {_count(after, 'replica')}"


def _rights(change: Change, live: Body, predicted: Body) -> Iterator[str]:
    if change.id.group != _RBAC:
        return
    if change.id.kind in {"Role", "ClusterRole"}:
        gained = sorted(_grants(predicted) - _grants(live))
        if gained:
            verb = "widens: it also allows" if live else "allows"
            yield f"{change.id} {verb} {_some([_said(*grant) for grant in gained])}"
    elif change.id.kind in {"RoleBinding", "ClusterRoleBinding"}:
        bound = sorted(_subjects(predicted) - _subjects(live))
        role = f"{at(predicted, 'roleRef', 'kind')} {at(predicted, 'roleRef', 'name')}"
        if bound:
            yield f"{change.id} gives {role} to {_some(bound)}"


def _grants(role: Body) -> set[tuple[str, str]]:
    """Return every (verb, resource) of a role; resources of other groups as `resource.group`, paths as they are."""
    grants: set[tuple[str, str]] = set()
    for rule in role.get("rules") or ():
        groups = rule.get("apiGroups") or [""]
        named = f" named {', '.join(sorted(rule['resourceNames']))}" if rule.get("resourceNames") else ""
        what = [
            *(
                f"{one}.{group}{named}" if group else f"{one}{named}"
                for one in rule.get("resources") or ()
                for group in groups
            ),
            *(rule.get("nonResourceURLs") or ()),
        ]
        grants.update((verb, one) for verb in rule.get("verbs") or () for one in what)
    return grants


def _said(verb: str, what: str) -> str:
    anything = what in {"*", "*.*"}
    return f"{'everything' if verb == '*' else verb} on {'all resources' if anything else what}"


def _subjects(binding: Body) -> set[str]:
    return {
        f"{one.get('kind')} {one['namespace']}/{one.get('name')}"
        if one.get("namespace")
        else f"{one.get('kind')} {one.get('name')}"
        for one in binding.get("subjects") or ()
    }


def _pods(change: Change, live: Body) -> int:
    if change.id.kind == "DaemonSet":
        found = at(live, "status", "desiredNumberScheduled")
    else:
        found = at(live, "spec", "replicas")
    return found if isinstance(found, int) else 0


def _images(body: Body) -> dict[str, str]:
    spec = at(body, "spec", "template", "spec") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return {str(one.get("name")): str(one.get("image")) for one in containers}


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _some(words: Sequence[str]) -> str:
    rest = len(words) - _LIMIT
    shown = ", ".join(words[:_LIMIT])
    return f"{shown} and {rest} more" if rest > 0 else shown
