"""Edits of a person's file: one field changes, everything else stays byte by byte."""

from __future__ import annotations

import copy
import difflib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.model.fields import ABSENT, Parts
from bot.render.editing import Edit, EditRefused, edited
from bot.render.yamltext import read

FILE = """\
# Owned by the shop's people.
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {tier: "web", env: prod}}   # short
data:
  level: info      # what is logged
  motd: |
    Welcome,
      to the shop

  quoted: 'it''s'
---

apiVersion: apps/v1
kind: Deployment
metadata:
    name: api
    annotations:
spec:
    replicas: 2   # until spring
    template:
        spec:
            containers:
            # the one that serves
            - name: main
              image: "shop/api:1.4"
              args: [--port, "8080"]
              ports:
                - containerPort: 8080
            - name: side   # logs
              image: busybox
"""
API = 14


def changed(*edits: Edit, text: str = FILE) -> str:
    """Return the lines that differ, as a diff shows them."""
    new = edited(text, edits)
    lines = difflib.unified_diff(text.splitlines(), new.splitlines(), lineterm="", n=0)
    return "\n".join(line for line in lines if line[:1] in "+-" and not line.startswith(("+++", "---")))


@pytest.mark.parametrize(
    ("line", "parts", "value", "diff"),
    [
        (2, ("data", "level"), "debug", "-  level: info      # what is logged\n+  level: debug      # what is logged"),
        (2, ("data", "level"), "on", '-  level: info      # what is logged\n+  level: "on"      # what is logged'),
        (2, ("data", "quoted"), "isn't", "-  quoted: 'it''s'\n+  quoted: 'isn''t'"),
        (2, ("data", "colour"), "red", "+  colour: red"),
        (2, ("data", "port"), "8080", '+  port: "8080"'),
        (2, ("data", "level"), ABSENT, "-  level: info      # what is logged"),
        (2, ("data", "motd"), "Closed\n", "-    Welcome,\n-      to the shop\n+    Closed"),
        (2, ("immutable",), True, "+immutable: true"),
        (
            2,
            ("metadata", "labels", "tier"),
            "db",
            '-metadata: {name: settings, labels: {tier: "web", env: prod}}   # short\n'
            '+metadata: {name: settings, labels: {tier: "db", env: prod}}   # short',
        ),
        (
            2,
            ("metadata", "labels", "acme/owner"),
            "ana",
            '-metadata: {name: settings, labels: {tier: "web", env: prod}}   # short\n'
            '+metadata: {name: settings, labels: {tier: "web", env: prod, acme/owner: ana}}   # short',
        ),
        (
            2,
            ("metadata", "labels", "env"),
            ABSENT,
            '-metadata: {name: settings, labels: {tier: "web", env: prod}}   # short\n'
            '+metadata: {name: settings, labels: {tier: "web"}}   # short',
        ),
        (API, ("spec", "replicas"), 5, "-    replicas: 2   # until spring\n+    replicas: 5   # until spring"),
        (API, ("metadata", "annotations", "a/b"), "c", "-    annotations:\n+    annotations: {a/b: c}"),
        (
            API,
            ("spec", "template", "spec", "containers", 0, "image"),
            "shop/api:1.5",
            '-              image: "shop/api:1.4"\n+              image: "shop/api:1.5"',
        ),
        (
            API,
            ("spec", "template", "spec", "containers", 0, "args", 2),
            "-v",
            '-              args: [--port, "8080"]\n+              args: [--port, "8080", "-v"]',
        ),
        (
            API,
            ("spec", "template", "spec", "containers", 2),
            {"name": "probe", "image": "curl:8", "command": ["sleep", "1"]},
            "+            - name: probe\n+              image: curl:8\n+              command:\n"
            '+              - sleep\n+              - "1"',
        ),
        (
            API,
            ("spec", "template", "spec", "containers", 1),
            ABSENT,
            "-            - name: side   # logs\n-              image: busybox",
        ),
        (
            API,
            ("spec", "template", "spec", "containers", 1, "name"),
            ABSENT,
            "-            - name: side   # logs\n-              image: busybox\n+            - image: busybox",
        ),
        (API, ("spec", "strategy"), {"type": "Recreate"}, "+    strategy:\n+      type: Recreate"),
        (API, ("metadata", "labels", "tier"), "web", "+    labels:\n+      tier: web"),
    ],
)
def test_one_field_changes_as_a_person_would_change_it(line: int, parts: Parts, value: Any, diff: str) -> None:
    assert changed(Edit(line=line, parts=parts, value=value)) == diff


def test_several_edits_of_a_file_keep_its_line_ends_and_its_json() -> None:
    text = FILE.replace("\n", "\r\n")
    new = edited(
        text,
        [
            Edit(line=2, parts=("data", "colour"), value="red"),
            Edit(line=API, parts=("spec", "replicas"), value=3),
        ],
    )
    assert new.count("\r\n") == text.count("\r\n") + 1
    assert "\n" not in new.replace("\r\n", "")
    written = '{"kind": "List", "apiVersion": "v1", "items": [\n  {"a": {"b": 1}},\n  {"a": {"b": 2}}\n]}\n'
    moved = edited(written, [Edit(line=3, parts=("a", "c"), value="x")])
    assert moved == written.replace('{"b": 2}', '{"b": 2, c: x}') or '"c"' in moved


@pytest.mark.parametrize(
    ("text", "parts", "value"),
    [
        ("a: &x {b: 1}\nc: *x\n", ("c", "b"), 2),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", ("c", "b"), 2),
        ("a: {b: 1}\n", ("a", "x"), ABSENT),
        ("a: {b: 1}\n", ("a", "b", "c"), 3),
        ("a: [1]\n", ("a", 7), 3),
        ("a: [broken\n", ("a",), 3),
    ],
)
def test_what_cannot_be_changed_alone_is_refused(text: str, parts: Parts, value: Any) -> None:
    with pytest.raises(EditRefused):
        edited(text, [Edit(line=1, parts=parts, value=value)])


KEYS = st.text(alphabet="abyn", min_size=1, max_size=3) | st.sampled_from(["yes", "1", "a.b/c", "null", "é x"])
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(alphabet="a1 :#'\"\\-\n{,éy", max_size=6)
TREES = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3), max_leaves=8
)


@given(
    value=st.dictionaries(KEYS, TREES, min_size=1, max_size=4),
    new=TREES | st.just(ABSENT),
    flow=st.sampled_from([None, False, True]),
    data=st.data(),
)
def test_whatever_is_not_refused_says_exactly_what_was_wanted(
    value: dict[str, Any], new: Any, flow: bool | None, data: st.DataObject
) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    if [one.value for one in read(text).documents] != [value]:
        return  # PyYAML and kubectl read it differently
    parts: list[str | int] = [data.draw(st.sampled_from([*value]))]
    below: Any = value[str(parts[0])]
    while isinstance(below, dict | list) and below and data.draw(st.booleans()):
        step = data.draw(st.sampled_from([*below] if isinstance(below, dict) else [*range(len(below))]))
        parts.append(step)
        below = below[step]
    wanted = copy.deepcopy(value)
    above: Any = wanted
    for part in parts[:-1]:
        above = above[part]
    if new is ABSENT:
        del above[parts[-1]]
    else:
        above[parts[-1]] = new
    try:
        after = read(edited(text, [Edit(line=1, parts=tuple(parts), value=new)]))
    except EditRefused:
        return
    assert [one.value for one in after.documents] == ([wanted] if wanted else [{}])
