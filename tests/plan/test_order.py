"""The order of a plan: a permutation, stage by stage, and its mirror for deletes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bot.model import marks
from bot.model.plan import Action, Plan
from bot.plan.order import prune_stages, stages
from tests.plan.world import dropped, live, plan, thing, wanted

KINDS = (
    ("v1", "Namespace", ""),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", ""),
    ("v1", "ServiceAccount", "shop"),
    ("rbac.authorization.k8s.io/v1", "Role", "shop"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "shop"),
    ("v1", "ConfigMap", "shop"),
    ("v1", "Service", "shop"),
    ("apps/v1", "Deployment", "shop"),
    ("acme.example/v1", "Widget", "shop"),
    ("networking.k8s.io/v1", "Ingress", "shop"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", ""),
)
objects = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 5), st.integers(-1, 2), st.booleans()),
    unique_by=lambda one: (one[0], one[1]),
    max_size=25,
)


def plan_of(drawn: Sequence[tuple[tuple[str, str, str], int, int, bool]]) -> Plan:
    """Some objects are wanted and not there, the others there and not wanted."""
    observations, tracked = [], []
    for (api, kind, namespace), number, wave, is_wanted in drawn:
        body = thing(kind, f"n{number}", api=api, namespace=namespace, annotations={marks.WAVE: str(wave)})
        if is_wanted:
            observations.append(wanted(body))
        else:
            tracked.append(dropped(live(body, uid=f"{kind}{number}")))
    return plan(observations, tracked)


@given(objects)
def test_every_write_is_in_exactly_one_stage(drawn: list[tuple[tuple[str, str, str], int, int, bool]]) -> None:
    made = plan_of(drawn)
    staged = [change.ref for stage in (*stages(made), *prune_stages(made)) for change in stage.changes]
    assert sorted(staged) == sorted(change.ref for change in made.writes)


@given(objects)
def test_waves_rise_and_deletes_mirror_them(drawn: list[tuple[tuple[str, str, str], int, int, bool]]) -> None:
    made = plan_of(drawn)
    applied = [change.wave for stage in stages(made) for change in stage.changes]
    deleted = [change.wave for stage in prune_stages(made) for change in stage.changes]
    assert applied == sorted(applied)
    assert deleted == sorted(deleted, reverse=True)


@given(objects)
def test_order_does_not_depend_on_the_order_of_the_files(
    drawn: list[tuple[tuple[str, str, str], int, int, bool]],
) -> None:
    assert plan_of(drawn).hash == plan_of(list(reversed(drawn))).hash


def test_kinds_come_before_what_needs_them() -> None:
    drawn = [(kind, 0, 0, True) for kind in reversed(KINDS)]
    order = [change.id.kind for stage in stages(plan_of(drawn)) for change in stage.changes]
    for first, then in (
        ("Namespace", "ServiceAccount"),
        ("ServiceAccount", "RoleBinding"),
        ("Role", "RoleBinding"),
        ("ConfigMap", "Deployment"),
        ("Service", "Deployment"),
        ("Deployment", "Widget"),
        ("Widget", "Ingress"),
        ("Ingress", "ValidatingWebhookConfiguration"),
    ):
        assert order.index(first) < order.index(then), (first, then)


def test_namespaces_and_definitions_are_waited_for() -> None:
    first = stages(plan_of([(kind, 0, 0, True) for kind in KINDS]))[0]
    assert {change.id.kind for change in first.changes} == {"Namespace", "CustomResourceDefinition"}
    assert first.wait


def test_wave_is_waited_for_with_its_unchanged_objects_too() -> None:
    """A wave that is unhealthy since the last pass holds the next one, although nothing of it is written."""
    first = thing("Deployment", "db", api="apps/v1", annotations={marks.WAVE: "0"})
    second = thing("Deployment", "api", api="apps/v1", annotations={marks.WAVE: "1"})
    made = plan([wanted(first, live=live(first)), wanted(second)])
    waits = [(stage.wait, [one.id.name for one in stage.objects]) for stage in stages(made)]
    assert waits == [(True, ["db"]), (False, ["api"])]
    assert [one.action for one in made.writes] == [Action.CREATE]


def test_pods_go_before_the_rights_they_need() -> None:
    """A Pod with a finalizer needs its role until it is gone."""
    drawn = [
        (kind, 0, 0, False) for kind in KINDS if kind[1] in {"ServiceAccount", "Role", "RoleBinding", "Deployment"}
    ]
    order = [[change.id.kind for change in stage.changes] for stage in prune_stages(plan_of(drawn))]
    assert order == [["Deployment"], ["RoleBinding"], ["Role"], ["ServiceAccount"]]
