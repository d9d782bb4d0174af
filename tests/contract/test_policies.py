"""Admission policies refuse and let pass alike on both API servers, and say why in the same words."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.servers import Server
from tests.waiting import until

BASE = "/apis/admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
PROBE = {"expression": "object.metadata.name != 'probe'", "message": "the policy works"}
LOUD = {"level": "trace", "size": "2Gi", "port": "80"}

Policies = Callable[..., None]


@pytest.fixture
def put_policy(server: Server, namespace: str, unique: str) -> Iterator[Policies]:
    """Puts a policy on the ConfigMaps of the namespace, and waits until the server asks it."""

    def put(*validations: dict[str, Any], ref: dict[str, Any] | None = None, **spec: Any) -> None:
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": unique},
            "spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": [PROBE, *validations], **spec},
        }
        select = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        bound: dict[str, Any] = {"policyName": unique, "validationActions": ["Deny"], "matchResources": select}
        if ref is not None:
            bound["paramRef"] = ref
        binding = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": unique},
            "spec": bound,
        }
        server.request("POST", f"{BASE}/validatingadmissionpolicies", body=body)
        server.request("POST", f"{BASE}/validatingadmissionpolicybindings", body=binding)
        until(lambda: refused(server, namespace, "probe", {}), "the policy works")

    yield put
    for plural in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        server.request("DELETE", f"{BASE}/{plural}?fieldSelector=metadata.name={unique}")


def refused(server: Server, namespace: str, name: str, data: dict[str, str]) -> dict[str, Any] | None:
    """Return the Status that a ConfigMap is refused with, None when it is let in. Nothing is kept."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    try:
        server.request("POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", body=body)
    except urllib.error.HTTPError as error:
        status: dict[str, Any] = json.loads(error.read())
        return status
    return None


@pytest.mark.parametrize(
    ("validation", "code", "said"),
    [
        ({"expression": "object.data.level != 'trace'", "message": " too loud "}, 422, "too loud"),
        ({"expression": "object.data.level != 'trace'"}, 422, "failed expression: object.data.level != 'trace'"),
        ({"expression": "false", "message": "never", "reason": "Forbidden"}, 403, "never"),
        ({"expression": "false", "messageExpression": "object.data.level + ' is loud'"}, 422, "trace is loud"),
        ({"expression": "false", "messageExpression": "string(object.data.no)", "message": "plain"}, 422, "plain"),
        (
            {"expression": "object.data.no == 'x'"},
            422,
            "expression 'object.data.no == 'x'' resulted in error: no such key: no",
        ),
    ],
    ids=["message", "expression", "reason", "message-expression", "message-without-value", "error"],
)
def test_refusal_says_which_policy_and_why(
    server: Server, namespace: str, unique: str, put_policy: Policies, validation: dict[str, Any], code: int, said: str
) -> None:
    put_policy(validation)
    status = refused(server, namespace, "loud", LOUD)
    told = f"ValidatingAdmissionPolicy '{unique}' with binding '{unique}' denied request: {said}"
    assert status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'configmaps "loud" is forbidden: {told}',
        "reason": validation.get("reason", "Invalid"),
        "details": {"name": "loud", "kind": "configmaps", "causes": [{"message": told}]},
        "code": code,
    }


HOLD = [
    "object.data.?no.orValue('x') == 'x'",
    "!has(object.data.no)",
    "object.data.exists(k, object.data[k] == 'trace')",
    "[1, 2, 3].sum() == 6 && [3, 1].min() == 1 && [1, 2].isSorted()",
    "quantity(object.data.size).isGreaterThan(quantity('1024Mi'))",
    "quantity('1000m') == quantity('1') && isQuantity('5Ki') && !isQuantity('five')",
    "object.data.level.find('[a-c]+') == 'ac' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
    "int(object.data.port) in [80, 443]",
    "'%s:%d'.format([object.data.level, 80]) == 'trace:80'",
    "object.data.level.upperAscii().split('A') == ['TR', 'CE']",
    "request.operation == 'CREATE' && request.dryRun && oldObject == null",
    "request.kind.kind == 'ConfigMap' && request.resource.resource == 'configmaps' && request.name == 'loud'",
    "request.userInfo.username == 'admin' && 'system:masters' in request.userInfo.groups",
    "namespaceObject.metadata.name == request.namespace",
    "object.apiVersion == 'v1' && object.metadata.name.matches('^[a-z]+$')",
    "timestamp('2026-01-01T00:00:00Z') + duration('24h') == timestamp('2026-01-02T00:00:00Z')",
]


def test_expressions_have_the_same_values(server: Server, namespace: str, put_policy: Policies) -> None:
    put_policy(*({"expression": one} for one in HOLD))
    assert refused(server, namespace, "loud", LOUD) is None


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("object.data.level ==", "compilation failed: ERROR: <input>:1:21: Syntax error: mismatched input '<EOF>'"),
        ("nobody == 1", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nobody'"),
        ("object.data.level", "must evaluate to bool but got dyn"),
    ],
    ids=["syntax", "reference", "type"],
)
def test_expression_that_does_not_compile_is_refused_with_its_place(
    server: Server, put_policy: Policies, expression: str, why: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        put_policy({"expression": expression})
    status = json.loads(caught.value.read())
    assert (status["code"], status["reason"]) == (422, "Invalid")
    (cause,) = status["details"]["causes"]
    assert cause["field"] == "spec.validations[1].expression"
    assert cause["message"].startswith(f'Invalid value: "{expression}": {why}')


def test_policy_that_ignores_failures_lets_pass_what_it_cannot_judge(
    server: Server, namespace: str, put_policy: Policies
) -> None:
    put_policy({"expression": "object.data.no == 'x'"}, failurePolicy="Ignore")
    assert refused(server, namespace, "loud", LOUD) is None


def test_conditions_and_variables_decide_whether_a_policy_is_asked(
    server: Server, namespace: str, put_policy: Policies
) -> None:
    put_policy(
        {"expression": "variables.quiet", "message": "too loud"},
        variables=[
            {"name": "level", "expression": "object.data.?level.orValue('info')"},
            {"name": "quiet", "expression": "variables.level != 'trace'"},
        ],
        matchConditions=[{"name": "not-exempt", "expression": "object.metadata.name != 'exempt'"}],
    )
    assert refused(server, namespace, "exempt", LOUD) is None
    assert refused(server, namespace, "quiet", {"size": "1"}) is None
    assert refused(server, namespace, "loud", LOUD) is not None


def test_parameters_come_from_the_object_that_the_binding_names(
    server: Server, namespace: str, put_policy: Policies
) -> None:
    limits = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "limits"}, "data": {"loudest": "info"}}
    server.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body=limits)
    put_policy(
        {"expression": "object.data.level == params.data.loudest", "message": "too loud"},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        ref={"name": "limits", "namespace": namespace, "parameterNotFoundAction": "Deny"},
    )
    assert refused(server, namespace, "quiet", {"level": "info"}) is None
    assert refused(server, namespace, "loud", LOUD) is not None


@pytest.mark.parametrize(
    "mutation",
    [
        {
            "patchType": "ApplyConfiguration",
            "applyConfiguration": {
                "expression": (
                    "Object{data: {'seen': 'yes'}, metadata: Object.metadata{labels: {'by': object.metadata.name}}}"
                )
            },
        },
        {
            "patchType": "JSONPatch",
            "jsonPatch": {
                "expression": (
                    "[JSONPatch{op: 'add', path: '/data/seen', value: 'yes'},"
                    " JSONPatch{op: 'add', path: '/metadata/labels', value: {'by': object.metadata.name}}]"
                )
            },
        },
    ],
    ids=["apply", "json-patch"],
)
def test_mutation_is_in_the_object_and_nobody_owns_it(
    server: Server, namespace: str, unique: str, mutation: dict[str, Any]
) -> None:
    select = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    spec = {
        "matchConstraints": {**select, "resourceRules": [RULE]},
        "reinvocationPolicy": "Never",
        "mutations": [mutation],
    }
    for kind, of in (("Policy", spec), ("PolicyBinding", {"policyName": unique})):
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"MutatingAdmission{kind}",
            "metadata": {"name": unique},
            "spec": of,
        }
        plural = "mutatingadmissionpolicies" if kind == "Policy" else "mutatingadmissionpolicybindings"
        server.request("POST", f"{BASE}/{plural}", body=body)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"level": "info"}}
    path = f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All&fieldManager=me"
    try:
        made = until(
            lambda: (one := server.request("POST", path, body=body))["data"].get("seen") and one, "the policy works"
        )
    finally:
        for plural in ("mutatingadmissionpolicybindings", "mutatingadmissionpolicies"):
            server.request("DELETE", f"{BASE}/{plural}/{unique}")
    assert made["data"] == {"level": "info", "seen": "yes"}
    assert made["metadata"]["labels"] == {"by": "settings"}
    (owner,) = made["metadata"]["managedFields"]
    assert owner["fieldsV1"] == {"f:data": {".": {}, "f:level": {}}}
