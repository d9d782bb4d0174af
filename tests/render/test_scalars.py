"""The reading of YAML is kubectl's: recorded from the real one, and asked of it again on the control plane."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from bot.render.yamltext import read
from tests.chance import draw_seed
from tests.controlplane.plane import ControlPlane

RECORDED = [line.split("\t") for line in (Path(__file__).parent / "data/kubectl-scalars.tsv").read_text().splitlines()]

# kubectl takes these and guesses; we refuse them.
STRICTER = {
    "!!binary aGVsbG8=",
    "!foo bar",
    "!<!foo> 5",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "{1: a, 1.5: b, true: c, yes: d}",
    "{123456789.5: a}",
    "{.inf: a}",
    "{b: 1, <<: {b: 2}}",
    "{<<: {b: 1}, <<: {c: 2}}",
    "{a: 1, a: 2}",
}
# We take these, kubectl's YAML 1.1 parser refuses them: an escape that JSON has and YAML 1.2 took over.
LOOSER = {r'"a\/b"'}
REFUSED = object()


def ours(text: str) -> Any:
    reading = read(f"v: {text}\n")
    return REFUSED if reading.problems else reading.documents[0].value["v"]


def differences(pairs: list[tuple[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Return what is read in two ways; a value we refuse although kubectl takes it must be listed above."""
    found = {}
    for text, theirs in pairs:
        mine = ours(text)
        allowed = STRICTER if mine is REFUSED else LOOSER if theirs is REFUSED else ()
        if text in allowed:
            continue
        if _shape(mine) != _shape(theirs):
            found[text] = (mine, theirs)
    return found


def _shape(value: Any) -> Any:
    """Return a value so that equal ones are equal in JSON: a number is a number, and no boolean."""
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Beyond 64 bits Go prints a float's shortest digits, which name the same float.
    return ("number", float(value) if abs(value) >= 2**63 else value) if is_number else (type(value).__name__, value)


def test_every_scalar_is_read_as_kubectl_reads_it() -> None:
    pairs = [(text, REFUSED if said == "refused" else json.loads(said)) for text, said in RECORDED]
    assert differences(pairs) == {}


def test_what_we_refuse_alone_is_all_refused() -> None:
    assert {text for text in STRICTER if ours(text) is not REFUSED} == set()


def chance_scalars(chance: random.Random, count: int) -> list[str]:
    """Return scalars nobody thought of: beginnings that mean something, and letters that may."""
    heads = ["0x", "0b", "0o", "0", ".", "-", "+", "1e", "1_", "1:", "~", "y", "No", "'", '"', "2026-01-0", "=", "<<"]
    letters = "01234567890123456789+-._:eExXobBnNyYtTfFlLuUsSaA~ '\"=<!"
    ends = ("".join(chance.choices(letters, k=chance.randrange(7))) for _ in range(count))
    return sorted({f"{chance.choice(heads) if chance.random() < 0.7 else ''}{end}".strip() for end in ends})


@pytest.mark.chance
@pytest.mark.cluster
def test_kubectl_reads_what_we_take_as_we_do(control_plane: ControlPlane, tmp_path: Path) -> None:
    seed = draw_seed()
    taken = [text for text in chance_scalars(random.Random(seed), 3000) if ours(text) is not REFUSED]
    file = tmp_path / "x.yaml"
    lines = "".join(f"  k{number:04}: {text}\n" for number, text in enumerate(taken))
    file.write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\nscalars:\n{lines}")
    said = control_plane.kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", str(file))
    theirs = json.loads(said)["scalars"]
    found = {text: _shape(theirs[f"k{number:04}"]) for number, text in enumerate(taken)}
    assert found == {text: _shape(ours(text)) for text in taken}, f"seed {seed}"


@pytest.mark.cluster
def test_the_real_kubectl_still_reads_them_so(control_plane: ControlPlane, tmp_path: Path) -> None:
    """One document with every legal scalar through `kubectl create --dry-run=client`: the record is not stale."""
    legal = [(text, json.loads(said)) for text, said in RECORDED if said != "refused" and text not in STRICTER]
    keys = {f"k{number:04}": text for number, (text, _) in enumerate(legal)}
    body = "".join(f"  {key}: {text}\n" for key, text in keys.items())
    file = tmp_path / "x.yaml"
    file.write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\nscalars:\n{body}")
    said = control_plane.kubectl("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", str(file))
    theirs = json.loads(said)["scalars"]
    assert {text: _shape(theirs[key]) for key, text in keys.items()} == {text: _shape(value) for text, value in legal}
    mine = read(file.read_text()).documents[0].value["scalars"]
    assert _shape(mine) == _shape(theirs)
