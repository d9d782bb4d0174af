"""Where requests go, by what the kubeconfig says."""

from __future__ import annotations

from pathlib import Path

from bot.live.spec import ClusterSpec
from bot.live.transport import Transport
from bot.sandbox.kube import KubeSandbox


def test_password_in_the_server_address_stays_out_of_watches(tmp_path: Path) -> None:
    """Every watch failed: the client refuses an address with a password beside a header with a token."""
    sandbox = KubeSandbox(token="canary", controllers=False)
    sandbox.start()
    try:
        (tmp_path / "kubeconfig").write_text(sandbox.kubeconfig(), encoding="utf-8")
        transport = Transport(ClusterSpec(name="prod", kubeconfig=str(tmp_path / "kubeconfig")))
        access = transport.access()
        assert access.url == sandbox.url
        assert transport.headers()["Authorization"] == "Bearer canary"
        transport.close()
    finally:
        sandbox.stop()
