"""What the default admission plugins add to objects and refuse.

Source: k8s.io/kubernetes/plugin/pkg/admission (NamespaceLifecycle, LimitRanger, ServiceAccount, Priority,
DefaultTolerationSeconds, DefaultStorageClass, StorageObjectInUseProtection, TaintNodesByCondition, DefaultIngressClass,
ResourceQuota).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from bot.sandbox.kube import limits, quotas
from bot.sandbox.kube.allocation import Allocation
from bot.sandbox.kube.errors import Cause, forbidden, not_found
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.objects import leaving, new_uid
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Store

_ETERNAL: Final = frozenset({"default", "kube-system", "kube-public"})  # nobody may delete these
_TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOLERATION_SECONDS: Final = 300
_SYSTEM_PRIORITIES: Final = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class Admission:
    """Looks at what is stored; changes only the object it is given. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._services = Allocation(store)
        self._allocation = threading.Lock()
        self._mutators: Mapping[str, Callable[[dict[str, Any], Body | None], None]] = {
            "pods": self._pod,
            "persistentvolumeclaims": self._claim,
            "persistentvolumes": self._volume,
            "ingresses.networking.k8s.io": self._ingress,
            "nodes": self._node,
            "priorityclasses.scheduling.k8s.io": lambda body, old: None,
        }

    def admit(self, resource: Resource, body: dict[str, Any], old: Body | None) -> None:
        """Complete an object that is about to be created (`old` None) or updated. Raises `StatusError`."""
        if old is None and resource.namespaced:
            self._namespace_allows(resource, body)
        mutate = self._mutators.get(resource.key)
        if mutate is not None:
            mutate(body, old)

    def validate(self, resource: Resource, body: Body, old: Body | None) -> None:
        """Refuse what LimitRanges and quotas of the namespace do not allow. Raises `StatusError` 403."""
        metadata = body["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        if not namespace:
            return
        if resource.key == "persistentvolumeclaims" or (resource.key == "pods" and old is None):
            for one in self._store.list(limits.RESOURCE, namespace).objects:
                if told := list(limits.refusals(resource.key, body, one)):
                    said = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
                    raise forbidden(resource.group, resource.plural, name, said)
        for quota in self._store.list(quotas.RESOURCE, namespace).objects:
            why = quotas.refusal(quota, lambda kind: self._store.list(kind, namespace).objects, resource.key, body, old)
            if why is not None:
                raise forbidden(resource.group, resource.plural, name, why)

    def refuse_delete(self, resource: Resource, name: str) -> None:
        """Keep the namespaces that nobody may delete. Raises `StatusError` 403."""
        if resource.key == "namespaces" and name in _ETERNAL:
            raise forbidden("", "namespaces", name, "this namespace may not be deleted")

    def _namespace_allows(self, resource: Resource, body: Body) -> None:
        name = body["metadata"]["namespace"]
        namespace = self._store.get("namespaces", "", name)
        if namespace is None:
            raise not_found("", "namespaces", name)
        if leaving(namespace):
            message = f"unable to create new content in namespace {name} because it is being terminated"
            refused = forbidden(resource.group, resource.plural, body["metadata"].get("name", ""), message)
            refused.causes = (
                Cause(
                    reason="NamespaceTerminating",
                    message=f"namespace {name} is being terminated",
                    field="metadata.namespace",
                ),
            )
            raise refused

    # --- completing -------------------------------------------------------------------------------------------

    def _pod(self, body: dict[str, Any], old: Body | None) -> None:
        spec = body["spec"] = dict(body.get("spec") or {})
        self._tolerations(spec)
        if old is None:
            limits.complete(body, self._store.list(limits.RESOURCE, body["metadata"]["namespace"]).objects)
            self._service_account(body, spec)
            self._priority(body, spec)

    def _tolerations(self, spec: dict[str, Any]) -> None:
        """Let every Pod stay for a while on a node that is not well."""
        tolerations = list(spec.get("tolerations") or ())
        for condition in ("not-ready", "unreachable"):
            key = f"node.kubernetes.io/{condition}"
            if not any(
                one.get("key") in {key, None} and one.get("effect") in {"NoExecute", None} for one in tolerations
            ):
                tolerations.append(
                    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATION_SECONDS}
                )
        spec["tolerations"] = tolerations

    def _service_account(self, body: dict[str, Any], spec: dict[str, Any]) -> None:
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        namespace = body["metadata"]["namespace"]
        account = self._store.get("serviceaccounts", namespace, name)
        if account is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("", "pods", body["metadata"].get("name", ""), why)
        if spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken", True)) is False:
            return
        containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
        without = [one for one in containers if not _mounted(one)]
        if not without:
            return
        volume = f"kube-api-access-{new_uid()[:5]}"
        for one in without:
            mount = {"name": volume, "readOnly": True, "mountPath": _TOKEN_PATH}
            one["volumeMounts"] = [*(one.get("volumeMounts") or ()), mount]
        spec["volumes"] = [*(spec.get("volumes") or ()), _token_volume(volume)]
        secrets = account.get("imagePullSecrets")
        if secrets and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = list(secrets)

    def _priority(self, body: dict[str, Any], spec: dict[str, Any]) -> None:
        name = spec.get("priorityClassName")
        classes = {
            one["metadata"]["name"]: one for one in self._store.list("priorityclasses.scheduling.k8s.io").objects
        }
        if not name:
            default = next((one for one in classes.values() if one.get("globalDefault")), None)
            if default is not None:
                name = spec["priorityClassName"] = default["metadata"]["name"]
        found = classes.get(name) if name else None
        if name and found is None and name not in _SYSTEM_PRIORITIES:
            why = f"no PriorityClass with name {name} was found"
            raise forbidden("", "pods", body["metadata"].get("name", ""), why)
        spec["priority"] = found["value"] if found is not None else _SYSTEM_PRIORITIES.get(name or "", 0)
        spec.setdefault("preemptionPolicy", (found or {}).get("preemptionPolicy", "PreemptLowerPriority"))

    def _claim(self, body: dict[str, Any], old: Body | None) -> None:
        if old is not None:
            return
        _finalizer(body, "kubernetes.io/pvc-protection")
        spec = body["spec"] = dict(body.get("spec") or {})
        if "storageClassName" not in spec:
            default = self._default_class(
                "storageclasses.storage.k8s.io", "storageclass.kubernetes.io/is-default-class"
            )
            if default:
                spec["storageClassName"] = default

    def _volume(self, body: dict[str, Any], old: Body | None) -> None:
        if old is None:
            _finalizer(body, "kubernetes.io/pv-protection")

    def _ingress(self, body: dict[str, Any], old: Body | None) -> None:
        spec = body.get("spec") or {}
        annotated = (body["metadata"].get("annotations") or {}).get("kubernetes.io/ingress.class")
        if old is None and "ingressClassName" not in spec and not annotated:
            default = self._default_class(
                "ingressclasses.networking.k8s.io", "ingressclass.kubernetes.io/is-default-class"
            )
            if default:
                body["spec"] = {**spec, "ingressClassName": default}

    def _node(self, body: dict[str, Any], old: Body | None) -> None:
        if old is None:
            spec = body["spec"] = dict(body.get("spec") or {})
            taints = list(spec.get("taints") or ())
            if not any(one.get("key") == "node.kubernetes.io/not-ready" for one in taints):
                spec["taints"] = [*taints, {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]

    def _default_class(self, resource: str, annotation: str) -> str:
        """Return the newest class that is marked as the default, "" without one."""
        marked = [
            one
            for one in self._store.list(resource).objects
            if (one["metadata"].get("annotations") or {}).get(annotation) == "true"
        ]
        return (
            max(marked, key=lambda one: str(one["metadata"]["creationTimestamp"]))["metadata"]["name"] if marked else ""
        )

    # --- handing out ------------------------------------------------------------------------------------------

    @contextmanager
    def allocating(self, resource: Resource, body: dict[str, Any], old: Body | None = None) -> Iterator[None]:
        """Hand out addresses, ports and the room of quotas; held until it is stored, so that nobody gets it twice."""
        namespace = body["metadata"].get("namespace", "")
        if resource.key != "services" and not self._store.list(quotas.RESOURCE, namespace).objects:
            yield
            return
        with self._allocation:
            if resource.key == "services":
                self._services.allot(body, old)
            yield


def _mounted(container: Mapping[str, Any]) -> bool:
    return any(one.get("mountPath") == _TOKEN_PATH for one in container.get("volumeMounts") or ())


def _finalizer(body: dict[str, Any], name: str) -> None:
    known = body["metadata"].get("finalizers") or []
    if name not in known:
        body["metadata"]["finalizers"] = [*known, name]


def _token_volume(name: str) -> Mapping[str, Any]:
    """Return the volume through which a container reaches the API server."""
    field = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [field]}},
    ]
    return {"name": name, "projected": {"defaultMode": 420, "sources": sources}}
