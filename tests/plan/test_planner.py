"""What becomes of each object, and what a human is asked first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.model import marks
from bot.model.plan import Accepted, Action, NotAskable, Owner, OwnerKind, RefusalKind, Rejected, Tracked
from tests.plan.world import REVISION, app, change, config, dropped, live, plan, thing, wanted

CONFIG = config(level="info")
OTHER = config("other", a="1")


def test_equal_object_is_unchanged_and_the_plan_empty() -> None:
    stored = live(CONFIG, status={"anything": 1})
    made = plan([wanted(CONFIG, live=stored, answer=Accepted(predicted=stored))])
    assert (made.writes, made.refusals) == ((), ())
    assert str(made.summary) == "nothing to change"


def test_missing_object_is_created_with_its_origin() -> None:
    made = change(plan([wanted(CONFIG, line=7)]), CONFIG)
    assert (made.action, str(made.origin)) == (Action.CREATE, "apps/shop/all.yaml:7")


def test_changed_field_is_named_with_both_values() -> None:
    made = change(plan([wanted(CONFIG, live=live(config(level="debug")))]), CONFIG)
    (field,) = made.fields
    assert (made.action, field.path, field.before, field.after) == (Action.UPDATE, "data.level", "debug", "info")
    assert made.why == "1 field differs from Git"


def test_labels_of_ours_alone_read_as_an_adoption() -> None:
    body = {**CONFIG, "metadata": {**CONFIG["metadata"], "labels": {marks.APP_LABEL: "shop"}}}
    made = change(plan([wanted(body, live=live(CONFIG))]), CONFIG)
    assert (made.action, made.fields) == (Action.UPDATE, ())
    assert "adopts" in made.why


def test_object_that_git_dropped_is_deleted_by_its_uid() -> None:
    made = plan([wanted(CONFIG)], [dropped(live(OTHER, uid="u9"))])
    gone = change(made, OTHER)
    assert (gone.action, gone.uid) == (Action.DELETE, "u9")
    assert made.changes[-1] is gone


def test_object_that_is_gone_already_is_no_change() -> None:
    made = plan([wanted(CONFIG)], [dropped(None, known=OTHER)])
    assert [one.id.name for one in made.changes] == ["settings"]


def test_object_without_our_mark_is_nobody_s_and_stays() -> None:
    """It was restored while the one before it was still leaving: the inventory lists its name, and it is another."""
    made = plan([wanted(config("kept"))], [dropped(live(config("restored")), marked=False)])
    (change,) = [one for one in made.changes if one.id.name == "restored"]
    assert (change.action, change.retained) == (Action.UNCHANGED, False)
    assert "not marked as ours" in change.why


@pytest.mark.parametrize(
    ("annotations", "word"),
    [({marks.PRUNE: "disabled"}, marks.PRUNE), ({marks.RECONCILE: "disabled"}, marks.RECONCILE)],
)
def test_annotation_keeps_what_git_dropped_and_the_inventory_keeps_it_too(
    annotations: dict[str, str], word: str
) -> None:
    kept = thing("ConfigMap", "other", annotations=annotations)
    made = plan([wanted(CONFIG)], [dropped(live(kept))])
    one = change(made, kept)
    assert (one.action, one.retained) == (Action.UNCHANGED, True)
    assert word in one.why
    assert any(word in warning for warning in made.warnings)


def test_app_without_prune_keeps_everything() -> None:
    made = plan([wanted(CONFIG)], [dropped(live(OTHER))], app=app(prune=False))
    assert change(made, OTHER).retained
    assert "prune is off" in made.warnings[0]


def test_object_whose_api_group_is_away_stays_and_so_does_its_namespace() -> None:
    """It is not known to be gone: forgetting it would leave it behind."""
    widget, space = thing("Widget", "w", api="acme.example/v1"), thing("Namespace", "shop", namespace="")
    unseen = Tracked(ref=dropped(live(widget)).ref, live=None, unknown="the API group acme.example is not available")
    made = plan([], [unseen, dropped(live(space, uid="u2"))])
    one = change(made, widget)
    assert (one.action, one.retained, one.pending) == (Action.UNCHANGED, True, True)
    assert "acme.example is not available" in one.why
    assert "in use" in change(made, space).why


def test_object_that_another_app_owns_now_is_left_and_forgotten() -> None:
    taken = dropped(live(OTHER), owner=Owner(kind=OwnerKind.APP, name="billing"))
    one = change(plan([wanted(CONFIG)], [taken]), OTHER)
    assert (one.action, one.retained) == (Action.UNCHANGED, False)
    assert "app billing" in one.why


def test_same_object_under_another_api_group_is_not_pruned() -> None:
    """A Deployment that moves from extensions/v1beta1 to apps/v1 is one object with one uid."""
    new = thing("Ingress", "web", api="networking.k8s.io/v1")
    old = thing("Ingress", "web", api="extensions/v1beta1")
    made = plan([wanted(new, live=live(new, uid="u5"))], [dropped(live(old, uid="u5"))])
    assert [one.action for one in made.changes] == [Action.UNCHANGED]


def test_namespace_that_still_holds_wanted_objects_stays() -> None:
    space = thing("Namespace", "shop", namespace="")
    made = plan([wanted(CONFIG)], [dropped(live(space))])
    one = change(made, space)
    assert (one.action, one.retained) == (Action.UNCHANGED, True)
    assert "in use, it holds ConfigMap shop/settings" in one.why


def test_definition_that_still_has_wanted_objects_stays() -> None:
    definition = thing(
        "CustomResourceDefinition",
        "widgets.acme.example",
        api="apiextensions.k8s.io/v1",
        namespace="",
        spec={"group": "acme.example", "names": {"kind": "Widget"}},
    )
    widget = thing("Widget", "one", api="acme.example/v1")
    made = plan([wanted(widget, live=live(widget))], [dropped(live(definition, uid="u2"))])
    assert change(made, definition).retained


@pytest.mark.parametrize("kind", list(OwnerKind))
def test_object_of_somebody_else_is_blocked_with_a_way_out(kind: OwnerKind) -> None:
    made = plan([wanted(CONFIG, live=live(CONFIG), owner=Owner(kind=kind, name="them"))])
    (one,) = made.blocked
    assert f"it belongs to {kind.value} them" in one.why
    assert "; " in one.why
    assert made.writes == ()


def test_immutable_field_blocks_and_names_the_annotation_that_helps() -> None:
    answer = Rejected(status=422, reason="Invalid", message="spec.selector: field is immutable", immutable=True)
    (one,) = plan([wanted(CONFIG, live=live(CONFIG), answer=answer)]).blocked
    assert "field is immutable" in one.why
    assert f"{marks.FORCE}: enabled" in one.why


def test_force_recreates_what_cannot_be_changed_in_place() -> None:
    body = thing("ConfigMap", "settings", annotations={marks.FORCE: "enabled"})
    answer = Rejected(status=422, reason="Invalid", message="field is immutable", immutable=True)
    one = change(plan([wanted(body, live=live(body, uid="u3"), answer=answer)]), body)
    assert (one.action, one.uid) == (Action.RECREATE, "u3")


def test_missing_namespace_names_the_two_ways_to_get_it() -> None:
    answer = Rejected(status=404, reason="NotFound", message='namespaces "shop" not found')
    (one,) = plan([wanted(CONFIG, answer=answer)]).blocked
    assert 'namespaces "shop" not found' in one.why
    assert "add a Namespace to Git" in one.why
    assert "kubectl create namespace shop" in one.why


def test_what_cannot_be_asked_yet_is_marked_unverified() -> None:
    one = change(plan([wanted(CONFIG, answer=NotAskable(waits_for="Namespace shop"))]), CONFIG)
    assert (one.action, one.verified) == (Action.CREATE, False)
    assert "Namespace shop" in one.why


def test_annotated_object_is_left_alone_and_said_so() -> None:
    one = change(plan([wanted(CONFIG, live=live(OTHER), left="Git says so")]), CONFIG)
    assert (one.action, one.why) == (Action.UNCHANGED, "Git says so")


# --- refusals -------------------------------------------------------------------------------------------------


def test_empty_render_asks_before_it_deletes_all() -> None:
    (refusal,) = plan([], [dropped(live(CONFIG))]).refusals
    assert refusal.kind is RefusalKind.EMPTY
    assert "apps/shop renders no object at all: all 1 object of the app would be deleted" in refusal.message


def test_app_that_may_be_empty_is_not_asked() -> None:
    made = plan([], [dropped(live(CONFIG))], app=app(allow_empty=True))
    assert made.refusals == ()
    assert [one.action for one in made.writes] == [Action.DELETE]


@pytest.mark.parametrize(("kept", "gone", "asked"), [(1, 10, False), (1, 11, True), (6, 11, False), (5, 11, True)])
def test_many_deletes_ask_when_they_exceed_count_and_share(kept: int, gone: int, *, asked: bool) -> None:
    observations = [wanted(config(f"kept-{i}")) for i in range(kept)]
    tracked = [dropped(live(config(f"gone-{i}"), uid=f"u{i}")) for i in range(gone)]
    refusals = plan(observations, tracked).refusals
    assert [one.kind for one in refusals] == ([RefusalKind.MANY_DELETES] if asked else [])


@pytest.mark.parametrize(
    "body",
    [
        thing("Namespace", "old", namespace=""),
        thing("PersistentVolumeClaim", "data"),
        thing("CustomResourceDefinition", "a.b", api="apiextensions.k8s.io/v1", namespace="", spec={}),
    ],
)
def test_precious_object_is_deleted_only_after_a_yes(body: dict[str, object]) -> None:
    (refusal,) = plan([wanted(CONFIG)], [dropped(live(body))]).refusals
    assert refusal.kind is RefusalKind.PRECIOUS


def test_confirm_annotation_asks_before_the_delete() -> None:
    careful = thing("ConfigMap", "other", annotations={marks.PRUNE: "confirm"})
    (refusal,) = plan([wanted(CONFIG)], [dropped(live(careful))]).refusals
    assert (refusal.kind, "ConfigMap shop/other" in refusal.message) == (RefusalKind.ANNOTATED, True)


# --- the hash -------------------------------------------------------------------------------------------------

SECRET = thing("Secret", "creds", stringData={"password": "canary-one"})
OTHER_SECRET = thing("Secret", "creds", stringData={"password": "canary-two"})


def test_hash_is_the_same_for_the_same_plan_whatever_the_resource_versions_are() -> None:
    one = plan([wanted(CONFIG, live=live(config(level="debug")))])
    again = live(config(level="debug"))
    again["metadata"]["resourceVersion"] = "99"
    again["status"] = {"phase": "x"}
    assert plan([wanted(CONFIG, live=again)]).hash == one.hash


def test_hash_follows_fields_and_deleted_uids_and_not_the_commit() -> None:
    """It covered the commit: in a repository of hundreds of apps no plan lived long enough to be approved."""
    base = plan([wanted(CONFIG, live=live(config(level="debug")))], [dropped(live(OTHER, uid="u1"))])
    moved = plan(
        [wanted(CONFIG, live=live(config(level="debug")))],
        [dropped(live(OTHER, uid="u1"))],
        revision=replace(REVISION, commit="b" * 40),
    )
    assert moved.hash == base.hash
    other_value = plan([wanted(CONFIG, live=live(config(level="trace")))], [dropped(live(OTHER, uid="u1"))])
    reborn = plan([wanted(CONFIG, live=live(config(level="debug")))], [dropped(live(OTHER, uid="u2"))])
    assert len({base.hash, other_value.hash, reborn.hash}) == 3


def test_hash_binds_all_that_git_wants() -> None:
    """What is created, what nobody could ask the server about, and a hook that runs only when the sync fails."""
    hook = {marks.HOOK: "sync-failed"}

    def hash_of(created: str, unasked: str, undo: str) -> str:
        waits = NotAskable(waits_for="Namespace shop")
        return plan(
            [
                wanted(config("created", level=created)),
                wanted(config("unasked", level=unasked), live=live(config("unasked")), answer=waits),
                wanted(thing("ConfigMap", "undo", annotations=hook, data={"level": undo})),
            ]
        ).hash

    hashes = {hash_of("a", "a", "a"), hash_of("b", "a", "a"), hash_of("a", "b", "a"), hash_of("a", "a", "b")}
    assert len(hashes) == 4


def test_hash_tells_two_secret_values_apart_and_needs_the_key() -> None:
    hashes = {plan([wanted(SECRET)]).hash, plan([wanted(OTHER_SECRET)]).hash, plan([wanted(SECRET)], key=b"k2").hash}
    assert len(hashes) == 3


def test_secret_values_are_nowhere_in_a_plan() -> None:
    made = plan([wanted(SECRET, live=live(OTHER_SECRET), answer=Accepted(predicted=SECRET))])
    one = change(made, SECRET)
    assert [(field.path, field.before, field.after) for field in one.fields] == [
        ("data.password", "(hidden)", "(hidden, changed)")
    ]
    shown = repr((one.fields, one.why, made.warnings, made.impact, made.refusals, made.hash))
    assert "canary" not in shown
