"""Files nobody thought of: whatever the bytes, there is an end, in objects or in problems with a line in the file."""

from __future__ import annotations

import json
import re
import time
import tracemalloc

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.model.source import SourceFile
from bot.render.documents import Documents, desired_state, read_bytes
from bot.render.yamltext import MAX_PROBLEMS

KEYS = ["apiVersion: v1", "kind: ConfigMap", "metadata:", "  name: a", "a", "yes", "0777", "1e3", "~", "é"]
SIGNS = ["- x", "---", "...", "&a", "*a", "<<: *a", "!!str", "!x", "[", "]", "{", "}", ":", "? ", "|", ">", "#", ","]
SPACE = ["'", '"', "\t", "\r", "\n", "\n  ", "\n    ", "%YAML 1.1", "\ufeff", "\u2028"]
WORDS = st.sampled_from([*KEYS, *SIGNS, *SPACE])
SOUP = st.lists(WORDS, max_size=60).map("".join)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
LONG = st.lists(
    st.tuples(st.lists(WORDS, min_size=1, max_size=6).map("".join), st.integers(1, 4000)), min_size=1, max_size=3
)
PATIENT = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def held(data: bytes) -> tuple[int, list[str]]:
    before = time.process_time()
    holding = Documents().read(SourceFile(path="app/x.yaml", blob="", data=data))
    assert time.process_time() - before < 5
    return len(holding.manifests), [str(one) for one in holding.problems]


@PATIENT
@given(st.binary(max_size=400) | SOUP.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"- - - - - ? ? ? :")
def test_every_file_ends_in_objects_or_in_problems_at_a_line_it_has(data: bytes) -> None:
    _, problems = held(data)
    last = len(re.findall(rb"\r\n|\r|\n|\xc2\x85|\xe2\x80[\xa8\xa9]", data)) + 1
    assert len(problems) <= 10 * MAX_PROBLEMS + len(data)
    for problem in problems:
        place = re.match(r"app/x\.yaml:(\d+): .", problem)
        assert place is not None, problem
        assert 1 <= int(place[1]) <= last + 1, (problem, last)


@settings(PATIENT, max_examples=60)
@given(LONG)
@example([("[", 100_000)])
@example([("&a [*a", 4000), ("]", 4000)])
@example([("a: &a {<<: *a, ", 4000)])
def test_long_files_of_any_pattern_cost_bounded_time_and_memory(parts: list[tuple[str, int]]) -> None:
    """What is read may be larger than its text, by a factor and not by a power."""
    text = "".join(piece * count for piece, count in parts)[:200_000]
    tracemalloc.start()
    try:
        held(text.encode("utf-8", "surrogatepass"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024**2 + 400 * len(text)


@PATIENT
@given(NAMES, st.dictionaries(st.text(max_size=8), VALUES, max_size=5), st.booleans())
@example("a", {"": "next\x85line", "\u2028": "\u2029"}, False)
def test_what_a_program_wrote_as_json_is_read_back(name: str, spec: dict[str, object], ascii: bool) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "spec": spec}
    data = json.dumps(body, ensure_ascii=ascii, indent=1).encode("utf-8", "surrogatepass")
    reading = read_bytes(data, is_json=True)
    if reading.problems:
        assert any(
            not char.isprintable() or char > "~" for char in data.decode("utf-8", "surrogatepass").replace("\n", "")
        )
        return  # a character that YAML has not, said at its line
    (document,) = reading.documents
    assert _as_json(document.value) == _as_json(body)


def _as_json(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2.0**63:
        return int(value)
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    return [_as_json(one) for one in value] if isinstance(value, list) else value


@PATIENT
@given(st.lists(NAMES, min_size=1, max_size=6, unique=True).map(sorted))
def test_digest_does_not_depend_on_the_order_of_the_files(names: list[str]) -> None:
    texts = [f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n" for name in names]
    documents = Documents()

    def digest(ordered: list[str]) -> str:
        held = [
            documents.read(SourceFile(path=f"{n}.yaml", blob="", data=text.encode())) for n, text in enumerate(ordered)
        ]
        return desired_state(
            [one for each in held for one in each.manifests], [d for each in held for d in each.digests], b"key"
        ).digest

    assert digest(texts) == digest(texts[::-1])
