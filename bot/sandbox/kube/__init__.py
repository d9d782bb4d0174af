"""A Kubernetes API server on loopback, for the demo and the fast tests."""

from bot.sandbox.kube.sandbox import KubeSandbox

__all__ = ["KubeSandbox"]
