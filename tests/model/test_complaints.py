"""What the API server says against an object, made readable. The texts are a real server's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.complaints import readable
from bot.sandbox.kube.merge.gotext import go_syntax

_WORDS = st.text(alphabet='ab"\\{}[]():, \n', max_size=8)
_NESTED = st.recursive(
    _WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3), max_leaves=6
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'Job.batch "j" is invalid: spec.template: Invalid value: {"labels":{"a":"b: c"},"Spec":{"Containers":'
            '[{"Name":"c","Env":null,"Command":null,"Args":null}]}}: field is immutable',
            'Job.batch "j" is invalid: spec.template: Invalid value: …: field is immutable',
        ),
        (
            'spec.template: Invalid value: core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:"", '
            'Labels:map[string]string{"a":"b"}}, Spec:core.PodSpec{Replicas:(*int32)(0xc00a)}}: field is immutable',
            "spec.template: Invalid value: …: field is immutable",
        ),
        (
            'Pod "p" is invalid: [spec.restartPolicy: Unsupported value: "Foo": supported values: "Always", '
            '"Never", spec.ports[1]: Duplicate value: "a", spec.size: Invalid value: -1: too low]',
        )
        * 2,
        (
            'PersistentVolumeClaim "c" is invalid: spec: Forbidden: spec is immutable after creation\n'
            '@@ -1,4 +1,4 @@\n {\n  "AccessModes": [\n-  "ReadWriteOnce"\n+  "ReadWriteMany"\n  ],\n',
            'PersistentVolumeClaim "c" is invalid: spec: Forbidden: spec is immutable after creation',
        ),
        (
            "errors:\n  .b: expected string, got &value.valueUnstructured{Value:true}\n  .a: not declared",
            "errors:\n  .a: not declared\n  .b: expected string, got the boolean true",
        ),
        (
            ".data.a: expected string, got &value.valueUnstructured{Value:8080}",
            ".data.a: expected string, got the number 8080",
        ),
        (
            ".data.a: expected string, got &value.valueUnstructured{Value:(hidden)}",
            ".data.a: expected string, got (hidden)",
        ),
    ],
    ids=["template", "older-template", "several", "comparison", "order", "number", "masked"],
)
def test_message_reads_well(said: str, told: str) -> None:
    assert readable(said) == told
    assert readable(told) == told


@given(value=_NESTED)
def test_quotation_ends_where_the_server_ends_it(value: Any) -> None:
    typed = f".a: expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}\n  .b: and so on"
    kept = go_syntax(value) if isinstance(value, str) else "a map" if isinstance(value, dict) else "a list"
    assert readable(typed) == f".a: expected string, got {kept}\n  .b: and so on"
    field = json.dumps(value)
    shown = field if len(field) <= 60 else "…"
    told = readable(f"[data: Invalid value: {field}: it is wrong, data.b: Required value]")
    assert told == f"[data: Invalid value: {shown}: it is wrong, data.b: Required value]"
