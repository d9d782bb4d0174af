"""Which plans are the rest of an agreed one, and how much of that is live."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bot.model import marks
from bot.model.agreed import Agreed
from bot.model.control import Trigger, Via
from bot.model.plan import Action, Plan, Rejected
from bot.model.resource import Body, ResourceId, id_of
from bot.plan import agreement
from tests.plan.world import config, dropped, live, plan, thing, wanted

KEY: Final = b"k1"
RENDERED: Final = "sha256:b0"
ONE, TWO = config("one", level="info"), config("two", level="info")
OLD: Final = live(config("one", level="debug"))
GONE: Final = live(config("gone"), uid="u9")
HOOK: Final = thing("Job", "migrate", api="batch/v1", annotations={marks.HOOK: "pre-sync"}, spec={})
FIXED: Final = thing("Job", "load", api="batch/v1", annotations={marks.FORCE: "enabled"}, spec={})
IMMUTABLE: Final = Rejected(status=422, reason="Invalid", message="field is immutable", immutable=True)


def agreed_to(made: Plan, *bodies: Body) -> Agreed:
    return Agreed(
        plan_hash=made.hash,
        rendered=RENDERED,
        changes=agreement.agreed_changes(made, at(*bodies), KEY),
        summary=made.summary,
        at=datetime(2026, 3, 6, 12, 0, tzinfo=UTC),
        by=("U0BEN",),
        trigger=Trigger(via=Via.SLACK, by="U0BEN"),
    )


def at(*bodies: Body) -> Mapping[ResourceId, Body]:
    return {id_of(body): body for body in bodies}


WHOLE: Final = plan([wanted(ONE, live=OLD), wanted(TWO)], [dropped(GONE)], key=KEY)
AGREED: Final = agreed_to(WHOLE, OLD, GONE)


def is_rest(made: Plan, rendered: str = RENDERED) -> bool:
    return agreement.is_rest(AGREED, made, rendered)


def count_live(*bodies: Body) -> int:
    """Return how many are live where Git wants what was agreed to, and the cluster has these."""
    there = at(*bodies)
    seen = [wanted(one, live=there.get(id_of(one))) for one in (ONE, TWO)]
    now = plan(seen, [dropped(GONE)] if id_of(GONE) in there else [], key=KEY)
    return agreement.count_live(AGREED, now, there, KEY)


def test_whole_plan_and_each_part_of_it_is_a_rest() -> None:
    assert is_rest(WHOLE)
    assert is_rest(plan([wanted(ONE, live=live(ONE)), wanted(TWO)], [dropped(GONE)], key=KEY))
    assert is_rest(plan([wanted(ONE, live=live(ONE)), wanted(TWO, live=live(TWO))], [dropped(GONE)], key=KEY))


def test_whatever_else_would_be_done_is_no_rest() -> None:
    other: Any = live(config("one", level="mine"))
    assert not is_rest(plan([wanted(ONE, live=other), wanted(TWO)], [dropped(GONE)], key=KEY))
    assert not is_rest(plan([wanted(ONE, live=OLD), wanted(TWO)], [dropped({**GONE, **live(GONE, uid="u8")})], key=KEY))
    assert not is_rest(plan([wanted(ONE, live=OLD), wanted(TWO), wanted(config("three"))], key=KEY))
    assert not is_rest(WHOLE, rendered="sha256:b1")  # what is created may be another content


def test_hook_that_has_run_runs_again_and_what_was_deleted_is_created() -> None:
    hooks = plan([wanted(HOOK), wanted(TWO)], key=KEY, runs_hooks=True)
    again = plan([wanted(HOOK, live=live(HOOK)), wanted(TWO)], key=KEY, runs_hooks=True)
    assert {one.action for one in again.writes} == {Action.RECREATE, Action.CREATE}
    assert again.hash == hooks.hash
    assert agreement.is_rest(agreed_to(hooks), again, RENDERED)
    forced = plan([wanted(FIXED, live=live(FIXED), answer=IMMUTABLE)], key=KEY)
    assert [one.action for one in forced.writes] == [Action.RECREATE]
    assert agreement.is_rest(agreed_to(forced, live(FIXED)), plan([wanted(FIXED)], key=KEY), RENDERED)


def test_live_is_what_was_written_or_deleted_and_not_what_is_leaving() -> None:
    assert count_live(OLD, GONE) == 0
    assert count_live(live(ONE), GONE) == 1
    assert count_live(live(ONE), live(TWO), GONE) == 2
    assert count_live(live(ONE), live(TWO)) == 3
    assert count_live({**OLD, "status": {"seen": 1}}, GONE) == 0


def test_what_is_neither_as_it_was_nor_as_agreed_is_not_live() -> None:
    """When Git went back, objects that no sync had written counted as live: nothing is read of what is left alone."""
    edited = live(config("one", level="mine"))
    assert count_live(edited, live(TWO), GONE) == 1
    back = plan([wanted(config("one", level="debug"), live=OLD), wanted(TWO, live=live(TWO))], key=KEY)
    short: Body = {"metadata": {"uid": "u1"}}
    assert agreement.count_live(AGREED, back, {id_of(ONE): short, id_of(TWO): short, **at(GONE)}, KEY) == 1


def test_deletes_whose_turn_comes_later_stay_agreed_to() -> None:
    after = plan([wanted(ONE, live=live(ONE)), wanted(TWO, live=live(TWO))], [dropped(GONE)], key=KEY)
    assert [one.id.name for one in agreement.left_leaving(AGREED, after, ())] == ["gone"]
    done = plan([wanted(ONE, live=live(ONE)), wanted(TWO, live=live(TWO))], key=KEY)
    assert agreement.left_leaving(AGREED, done, ()) == ()
    assert agreement.left_leaving(AGREED, after, [id_of(GONE)]) == ()
