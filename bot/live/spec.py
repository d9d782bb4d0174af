"""What the configuration says of one cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """`kubeconfig` "" is the default file of kubectl; `namespace` holds our inventories on that cluster."""

    name: str
    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    namespace: str = "gitops-bot"
    qps: float = 0  # requests a second at most; 0: the server's own fairness alone
