"""Variables of the configuration in manifests: strict, literal where doubled, on the line where they stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.render.substitute import substitute


def test_reference_becomes_its_value_and_a_doubled_dollar_stays() -> None:
    done = substitute("a: ${ONE}\nb: $${ONE} $(x) $HOME $\n", {"ONE": "1"})
    assert (done.text, done.faults) == ("a: 1\nb: ${ONE} $(x) $HOME $\n", ())


def test_every_unknown_name_is_a_fault_on_its_line() -> None:
    done = substitute("a: ${CLUSTR}\nb: ok\nc: ${x:-y}\n", {"CLUSTER": "prod"})
    assert done.faults == (
        (1, "the app's setting substitute has no value for ${CLUSTR}: did you mean CLUSTER?"),
        (3, "the app's setting substitute has no value for ${x:-y}: write $${x:-y} for the text itself"),
    )


def test_value_with_a_line_break_is_a_fault() -> None:
    assert substitute("a: ${A}\n", {"A": "1\nb: 2"}).faults != ()


@given(st.text().filter(lambda text: "${" not in text))
def test_text_without_references_is_left_alone(text: str) -> None:
    assert substitute(text, {"A": "1"}).text == text
