"""Generated bodies of four kinds, small enough that several writers often want the same field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Bodies = SearchStrategy[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Kind:
    """A kind under test: where it lives, what a whole body looks like, what a part, and what a merge patch."""

    plural: str
    api_version: str
    kind: str
    whole: Bodies
    part: Bodies
    patch: Bodies
    status: Bodies | None = None

    def __repr__(self) -> str:
        return self.kind

    def path(self, namespace: str, name: str = "") -> str:
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" + (f"/{name}" if name else "")


def some(**fields: Any) -> Bodies:
    """Draw any of these fields."""
    drawn = {
        name: value if isinstance(value, SearchStrategy) else st.sampled_from(value) for name, value in fields.items()
    }
    return st.fixed_dictionaries({}, optional=drawn)


def listed(key: str, names: list[Any], **fields: Any) -> SearchStrategy[list[dict[str, Any]]]:
    """Draw a list of entries with different keys, in any order."""
    entries = [merged(st.just({key: name}), some(**fields)) for name in names]
    return st.lists(st.sampled_from(range(len(names))), unique=True, max_size=len(names)).flatmap(
        lambda picked: st.tuples(*(entries[index] for index in picked)).map(list)
    )


TEXT: Final = ["1", "2"]
WORDS: Final = some(a=TEXT, b=TEXT)
METADATA: Final = some(labels=WORDS, annotations=WORDS, finalizers=st.just(["example.com/hold"]))
WORDS_PATCH: Final = some(a=[*TEXT, None], b=[*TEXT, None])
# The real server stores the empty labels of a custom resource at first and drops them when it writes the next time,
# so that a patch of nothing gives a new resourceVersion once. That is not imitated.
FULL_METADATA: Final = some(
    labels=[{"a": "1"}, {"a": "2", "b": "1"}], annotations=[{"b": "1"}], finalizers=[["example.com/hold"]]
)
METADATA_PATCH: Final = some(
    labels=st.one_of(WORDS_PATCH, st.none()),
    annotations=WORDS_PATCH,
    finalizers=[None, ["example.com/hold"]],
    managedFields=[[], [{}], None],
)


def merged(*parts: Bodies) -> Bodies:
    """Draw from each and lay one over the other."""
    return st.tuples(*parts).map(lambda drawn: {name: value for part in drawn for name, value in part.items()})


CONFIG_MAP: Final = Kind(
    plural="configmaps",
    api_version="v1",
    kind="ConfigMap",
    whole=some(
        metadata=METADATA, data=st.one_of(WORDS, st.none()), binaryData=some(c=["YQ==", "Yg=="]), immutable=[False]
    ),
    part=some(metadata=METADATA, data=WORDS),
    patch=some(metadata=METADATA_PATCH, data=st.one_of(WORDS_PATCH, st.none()), immutable=[None, False]),
)

_ENV: Final = listed("name", ["A", "B"], value=TEXT)
_RESOURCES: Final = some(
    requests=some(cpu=["100m", "0.1", 1, "1000m"], memory=["64Mi", "65536Ki"]), limits=some(cpu=["1", "1000m"])
)
_PROBE: Final = some(
    httpGet=st.fixed_dictionaries(
        {"port": st.sampled_from([80, "web"])}, optional={"path": st.sampled_from(["/", "/up"])}
    ),
    periodSeconds=[0, 5, 10],
    failureThreshold=[3],
)
_PORTS: Final = st.sampled_from(
    [
        [],
        [{"containerPort": 80}],
        [{"containerPort": 80, "protocol": "TCP", "name": "web"}],
        [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 80}],
    ]
)
_CONTAINERS: Final = st.lists(st.sampled_from(["app", "side"]), unique=True, min_size=1, max_size=2).flatmap(
    lambda names: st.tuples(
        *(
            st.fixed_dictionaries(
                {"name": st.just(name), "image": st.sampled_from(["nginx:1", "nginx:2", "nginx"])},
                optional={
                    "env": _ENV,
                    "resources": _RESOURCES,
                    "ports": _PORTS,
                    "args": st.sampled_from([[], ["a"], ["b", "c"]]),
                    "livenessProbe": _PROBE,
                    "stdin": st.booleans(),
                    "securityContext": some(runAsNonRoot=[True, False], readOnlyRootFilesystem=[True]),
                },
            )
            for name in names
        )
    ).map(list)
)
_VOLUMES: Final = st.sampled_from(
    [
        [],
        [{"name": "a"}],
        [{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "x"}}],
        [{"name": "b", "secret": {"secretName": "x", "optional": False}}],
    ]
)
_POD: Final = some(
    nodeSelector=WORDS,
    tolerations=[[], [{"key": "a", "operator": "Exists"}]],
    volumes=_VOLUMES,
    terminationGracePeriodSeconds=[0, 30, 60],
    hostNetwork=[False],
    serviceAccountName=["", "x"],
    securityContext=[{}, {"runAsUser": 1}],
)
_TEMPLATE: Final = st.tuples(_POD, _CONTAINERS, WORDS).map(
    lambda drawn: {
        "metadata": {"labels": {"app": "x", **drawn[2]}},
        "spec": {**drawn[0], "containers": drawn[1]},
    }
)
_ROLLOUT: Final = some(
    replicas=[0, 1, 3],
    minReadySeconds=[0, 5],
    paused=[False, True],
    revisionHistoryLimit=[0, 10],
    strategy=[
        {},
        {"type": "Recreate"},
        {"type": "RollingUpdate"},
        {"rollingUpdate": {"maxSurge": 1}},
        {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}},
    ],
)
_SELECTED: Final = _TEMPLATE.map(lambda template: {"selector": {"matchLabels": {"app": "x"}}, "template": template})

DEPLOYMENT: Final = Kind(
    plural="deployments",
    api_version="apps/v1",
    kind="Deployment",
    whole=st.fixed_dictionaries({"spec": merged(_SELECTED, _ROLLOUT)}, optional={"metadata": METADATA}),
    part=some(metadata=METADATA, spec=_ROLLOUT),
    patch=some(
        metadata=METADATA_PATCH,
        spec=some(
            replicas=[None, 2, 3],
            paused=[None, True],
            template=some(
                spec=some(
                    nodeSelector=[None, {"a": "1"}],
                    terminationGracePeriodSeconds=[None, 5],
                    containers=[[{"name": "new", "image": "x"}, {"name": "app", "image": "x"}]],
                )
            ),
        ),
    ),
    status=some(replicas=[0, 1], observedGeneration=[1], conditions=[[], [{"type": "Available", "status": "True"}]]),
)

_SERVICE_PORTS: Final = st.sampled_from(
    [
        [{"port": 80}],
        [{"port": 80, "name": "web", "targetPort": "web"}],
        [{"port": 80, "name": "web"}, {"port": 53, "name": "dns", "protocol": "UDP"}],
        [{"port": 53, "name": "dns", "protocol": "UDP", "targetPort": 5353}, {"port": 80, "name": "http"}],
    ]
)
_SERVICE: Final = some(
    selector=WORDS,
    sessionAffinity=["None", "ClientIP"],
    publishNotReadyAddresses=[True, False],
    externalName=[""],
)
SERVICE: Final = Kind(
    plural="services",
    api_version="v1",
    kind="Service",
    whole=st.fixed_dictionaries(
        {"spec": merged(_SERVICE_PORTS.map(lambda ports: {"ports": ports}), _SERVICE)}, optional={"metadata": METADATA}
    ),
    part=some(metadata=METADATA, spec=_SERVICE),
    patch=some(
        metadata=METADATA_PATCH,
        spec=some(selector=st.one_of(WORDS_PATCH, st.none()), sessionAffinity=[None, "ClientIP"]),
    ),
    status=some(loadBalancer=[{}, {"ingress": [{"ip": "1.2.3.4"}]}]),
)

GROUP: Final = "contract.example.com"
_STRING: Final = {"type": "string"}
_WIDGET_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer", "default": 1, "minimum": 0, "maximum": 3},
                "mode": {"type": "string", "enum": ["a", "b"]},
                "labels": {"type": "object", "additionalProperties": _STRING},
                "selector": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": _STRING},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": _STRING},
                "args": {"type": "array", "items": _STRING},
                "nothing": {"type": "string", "nullable": True},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {
                        "type": "object",
                        "required": ["port"],
                        "properties": {
                            "port": {"type": "integer"},
                            "protocol": {"type": "string", "default": "TCP"},
                            "name": _STRING,
                            "extra": {"type": "object", "properties": {"a": _STRING, "b": _STRING}},
                        },
                    },
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "when": {"x-kubernetes-int-or-string": True},
                "nested": {
                    "type": "object",
                    "default": {},
                    "properties": {"x": {"type": "string", "default": "y"}, "z": {"type": "boolean"}},
                },
            },
        },
        "status": {
            "type": "object",
            "properties": {
                "ready": {"type": "boolean"},
                "conditions": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    "items": {
                        "type": "object",
                        "required": ["type"],
                        "properties": {"type": _STRING, "status": _STRING},
                    },
                },
            },
        },
    },
}
WIDGET_CRD: Final[dict[str, Any]] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"widgets.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": _WIDGET_SCHEMA},
            }
        ],
    },
}
_PORT: Final = st.lists(st.sampled_from([80, 81]), unique=True, max_size=2).flatmap(
    lambda ports: st.tuples(
        *(merged(st.just({"port": port}), some(protocol=["TCP", "UDP"], name=TEXT, extra=WORDS)) for port in ports)
    ).map(list)
)
_WIDGET: Final = some(
    replicas=[0, 1, 2, 9],
    mode=["a", "b", "c"],
    labels=WORDS,
    selector=WORDS,
    tags=st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3),
    args=[[], ["a"], ["b", "a"]],
    nothing=[None, "x"],
    ports=_PORT,
    free=[{}, {"a": {"b": 1}}, {"a": {"c": [1, {"x": 2}]}, "d": None}, {"a": "text"}],
    when=[1, "50%"],
    nested=[{}, {"z": True}, {"x": "w"}, None],
)
WIDGET: Final = Kind(
    plural="widgets",
    api_version=f"{GROUP}/v1",
    kind="Widget",
    whole=some(metadata=FULL_METADATA, spec=_WIDGET),
    part=some(metadata=FULL_METADATA, spec=_WIDGET),
    patch=some(
        metadata=METADATA_PATCH,
        spec=some(
            replicas=[None, 2],
            labels=st.one_of(WORDS_PATCH, st.none()),
            selector=[None, {"a": None, "b": "2"}],
            tags=[None, ["x"]],
            ports=[None, [{"port": 80}]],
            free=[None, {"a": None, "e": 1}],
            nested=[None, {"x": None}],
            unknown=[1],
        ),
    ),
    status=some(ready=[True, False], conditions=listed("type", ["A", "B"], status=TEXT)),
)

KINDS: Final = (CONFIG_MAP, DEPLOYMENT, SERVICE, WIDGET)
