"""Generated bodies of further kinds, whose rules are about what may change."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tests.contract.kube.bodies import METADATA, METADATA_PATCH, TEXT, WORDS, WORDS_PATCH, Kind, merged, some

# Never empty: of an immutable Secret, the real server takes {} for another value than none.
_KEYS: Final = st.sampled_from([{"a": "YQ=="}, {"a": "Yg=="}, {"b": "YQ=="}, {"a": "YQ==", "b": "YQ=="}])
SECRET: Final = Kind(
    plural="secrets",
    api_version="v1",
    kind="Secret",
    whole=some(
        metadata=METADATA,
        data=_KEYS,
        stringData=WORDS,
        type=["Opaque", "example.com/own", "kubernetes.io/basic-auth", "kubernetes.io/tls"],
        immutable=[False, True],
    ),
    part=some(metadata=METADATA, stringData=WORDS),
    patch=some(
        metadata=METADATA_PATCH,
        data=[{"a": "YQ=="}, {"a": None, "b": "YQ=="}, None],
        stringData=WORDS,
        type=["Opaque"],
        immutable=[None, True],
    ),
)

EXPOSED: Final = Kind(
    plural="services",
    api_version="v1",
    kind="Service",
    whole=st.fixed_dictionaries(
        {
            "spec": st.fixed_dictionaries(
                {"type": st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])},
                optional={
                    "ports": st.sampled_from(
                        [[{"port": 80}], [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "protocol": "UDP"}]]
                    ),
                    "externalName": st.sampled_from(["a.example.com", "Not A Name"]),
                    "clusterIP": st.sampled_from(["None", ""]),
                    "externalTrafficPolicy": st.sampled_from(["Local", "Cluster"]),
                    "internalTrafficPolicy": st.sampled_from(["Local", "Cluster"]),
                    "loadBalancerClass": st.just("example.com/own"),
                    "allocateLoadBalancerNodePorts": st.booleans(),
                    "sessionAffinity": st.sampled_from(["None", "ClientIP"]),
                },
            )
        }
    ),
    part=some(metadata=METADATA, spec=some(type=["ClusterIP", "NodePort", "LoadBalancer"])),
    patch=some(
        metadata=METADATA_PATCH,
        spec=some(
            type=["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", None],
            externalName=[None, "b.example.com"],
            ports=[[{"port": 80}], None],
            externalTrafficPolicy=[None, "Local"],
        ),
    ),
)

_CONTAINERS: Final = st.sampled_from([[{"name": "a", "image": "x:1"}], [{"name": "a", "image": "x:2"}]])
_TEMPLATE: Final = _CONTAINERS.map(
    lambda containers: {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": containers}}
)
_CLAIM_SPEC: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_SET: Final = some(
    replicas=[0, 1, 3],
    podManagementPolicy=["OrderedReady", "Parallel"],
    revisionHistoryLimit=[0, 10],
    minReadySeconds=[0, 5],
    updateStrategy=[
        {"type": "OnDelete"},
        {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
        {"type": "RollingUpdate"},
    ],
    persistentVolumeClaimRetentionPolicy=[{"whenDeleted": "Delete"}, {}],
    ordinals=[{"start": 1}],
    volumeClaimTemplates=[[], [{"metadata": {"name": "data"}, "spec": _CLAIM_SPEC}]],
)
STATEFUL_SET: Final = Kind(
    plural="statefulsets",
    api_version="apps/v1",
    kind="StatefulSet",
    whole=st.fixed_dictionaries(
        {
            "spec": merged(
                _TEMPLATE.map(
                    lambda one: {"serviceName": "x", "selector": {"matchLabels": {"app": "x"}}, "template": one}
                ),
                _SET,
            )
        },
        optional={"metadata": METADATA},
    ),
    part=some(metadata=METADATA, spec=some(replicas=[2], minReadySeconds=[1])),
    patch=some(
        metadata=METADATA_PATCH,
        spec=some(
            replicas=[None, 2],
            serviceName=["x", "y"],
            template=some(spec=some(terminationGracePeriodSeconds=[None, 5])),
            updateStrategy=[None, {"type": "OnDelete"}],
        ),
    ),
    status=some(replicas=[0, 1], currentRevision=TEXT),
)

JOB: Final = Kind(
    plural="jobs",
    api_version="batch/v1",
    kind="Job",
    whole=st.fixed_dictionaries(
        {
            "spec": merged(
                st.tuples(_CONTAINERS, st.sampled_from(["Never", "OnFailure", "Always"])).map(
                    lambda drawn: {"template": {"spec": {"containers": drawn[0], "restartPolicy": drawn[1]}}}
                ),
                some(
                    backoffLimit=[0, 3, -1],
                    completions=[1, 3],
                    parallelism=[0, 1, 2],
                    suspend=[True, False],
                    ttlSecondsAfterFinished=[0, 60],
                    completionMode=["Indexed", "NonIndexed"],
                    activeDeadlineSeconds=[1, 100],
                ),
            )
        },
        optional={"metadata": METADATA},
    ),
    part=some(metadata=METADATA, spec=some(parallelism=[2], suspend=[True, False])),
    patch=some(
        metadata=METADATA_PATCH,
        spec=some(
            parallelism=[None, 3], suspend=[None, True], completions=[None, 5], ttlSecondsAfterFinished=[None, 5]
        ),
    ),
)

ROLE: Final = Kind(
    plural="roles",
    api_version="rbac.authorization.k8s.io/v1",
    kind="Role",
    whole=some(
        metadata=METADATA,
        rules=[  # none of them empty: the real server gives an empty list back as [] once and as null from then on
            [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            [{"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["a"]}],
            [{"resources": ["pods"], "verbs": ["get"]}],
            [{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}],
            [{"apiGroups": [""], "resources": ["pods"], "verbs": []}],
        ],
    ),
    part=some(metadata=METADATA),
    patch=some(
        metadata=METADATA_PATCH, rules=[None, [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]]
    ),
)
BINDING: Final = Kind(
    plural="rolebindings",
    api_version="rbac.authorization.k8s.io/v1",
    kind="RoleBinding",
    whole=st.fixed_dictionaries(
        {
            "roleRef": st.sampled_from(
                [
                    {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
                    {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                    {"kind": "Role", "name": "a"},
                ]
            )
        },
        optional={
            "metadata": METADATA,
            "subjects": st.sampled_from(
                [[], [{"kind": "User", "name": "ana"}], [{"kind": "ServiceAccount", "name": "x", "namespace": "y"}]]
            ),
        },
    ),
    part=some(metadata=METADATA, subjects=[[{"kind": "Group", "name": "team"}]]),
    patch=some(metadata=METADATA_PATCH, subjects=[None, [{"kind": "User", "name": "bob"}]]),
)

CLAIM: Final = Kind(
    plural="persistentvolumeclaims",
    api_version="v1",
    kind="PersistentVolumeClaim",
    whole=st.fixed_dictionaries(
        {
            "spec": st.fixed_dictionaries(
                {
                    "accessModes": st.sampled_from([["ReadWriteOnce"], ["ReadOnlyMany", "ReadWriteMany"]]),
                    "resources": st.sampled_from(
                        [{"requests": {"storage": "1Gi"}}, {"requests": {"storage": "1024Mi"}}, {}]
                    ),
                },
                optional={
                    "storageClassName": st.sampled_from(["", "slow"]),
                    "volumeMode": st.sampled_from(["Block", "Filesystem"]),
                    "selector": st.just({"matchLabels": {"a": "1"}}),
                },
            )
        },
        optional={"metadata": some(labels=WORDS, annotations=WORDS)},
    ),
    part=some(metadata=some(labels=WORDS)),
    patch=some(metadata=some(labels=st.one_of(WORDS_PATCH, st.none()))),
)

_PROCESSORS: Final = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
}
_REQUESTS: Final = {
    "type": "Pods",
    "pods": {"metric": {"name": "requests"}, "target": {"type": "AverageValue", "averageValue": "1000m"}},
}
AUTOSCALER: Final = Kind(
    plural="horizontalpodautoscalers",
    api_version="autoscaling/v2",
    kind="HorizontalPodAutoscaler",
    whole=st.fixed_dictionaries(
        {
            "spec": merged(
                st.just({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}),
                some(
                    minReplicas=[0, 1, 2],
                    maxReplicas=[0, 1, 5],
                    metrics=[[], [_PROCESSORS], [_REQUESTS]],
                    behavior=[
                        {},
                        {"scaleDown": {"stabilizationWindowSeconds": 60}},
                        {"scaleUp": {"selectPolicy": "Min"}},
                    ],
                ),
            )
        },
        optional={"metadata": METADATA},
    ),
    part=some(metadata=METADATA, spec=some(maxReplicas=[7])),
    patch=some(metadata=METADATA_PATCH, spec=some(minReplicas=[None, 3], maxReplicas=[9], behavior=[None])),
)

_BACKEND: Final = {"service": {"name": "web", "port": {"name": "http"}}}
_PATH: Final = {"path": "/a", "pathType": "Prefix", "backend": _BACKEND}
INGRESS: Final = Kind(
    plural="ingresses",
    api_version="networking.k8s.io/v1",
    kind="Ingress",
    whole=st.fixed_dictionaries(
        {
            "spec": some(
                ingressClassName=["nginx", "Not Valid"],
                defaultBackend=[{"service": {"name": "web", "port": {"number": 80}}}, {"service": {"name": "web"}}],
                rules=[
                    [{"host": "a.example.com"}],
                    [{"host": "*.example.com", "http": {"paths": [_PATH]}}],
                    [{"http": {"paths": [{**_PATH, "path": "a"}]}}],
                    [{"http": {"paths": [{**_PATH, "pathType": "Nearly"}]}}],
                ],
                tls=[[], [{"hosts": ["a.example.com"], "secretName": "cert"}]],
            )
        },
        optional={"metadata": METADATA},
    ),
    part=some(metadata=METADATA, spec=some(tls=[[{"hosts": ["b.example.com"]}]])),
    patch=some(metadata=METADATA_PATCH, spec=some(ingressClassName=[None, "other"], tls=[None])),
    status=some(loadBalancer=[{}, {"ingress": [{"ip": "1.2.3.4"}]}]),
)

FURTHER: Final = (SECRET, EXPOSED, STATEFUL_SET, JOB, ROLE, BINDING, CLAIM, AUTOSCALER, INGRESS)
