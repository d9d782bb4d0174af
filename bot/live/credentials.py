"""Where an API server is and who we are there, from a kubeconfig or from inside the cluster.

A kubeconfig with a token or a client certificate is read here. Everything else, credential plugins above all, is the
`kubernetes` package's, which takes a second of CPU and 25 MiB to import.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from bot.live.spec import ClusterSpec

_DEFAULT: Final = "~/.kube/config"
_PLAIN_USER: Final = frozenset(
    {"token", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}
)
_PLAIN_CLUSTER: Final = frozenset(
    {
        "server",
        "certificate-authority",
        "certificate-authority-data",
        "insecure-skip-tls-verify",
        "tls-server-name",
        "proxy-url",
        "extensions",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`authorization` returns the header's value, "" for none; `tls` is None for http, `proxy` "" for none."""

    url: str
    tls: ssl.SSLContext | None
    server_name: str | None  # in the certificate, where it is not the host of the URL
    authorization: Callable[[], str]
    proxy: str = ""


def load(spec: ClusterSpec) -> Access:
    """Return how to reach a cluster. Raises what parsers and credential plugins raise."""
    plain = None if spec.in_cluster else _plain(spec)
    return plain if plain is not None else _by_package(spec)


def _plain(spec: ClusterSpec) -> Access | None:
    """Read a kubeconfig that says all itself; None for one that does not.

    Raises `ValueError` for a file that is not there, and for a context, cluster or user that is not in it.
    """
    path = Path(spec.kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT).expanduser()
    if os.pathsep in str(path):
        return None
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a kubeconfig")
    if not path.exists():
        raise ValueError(f"there is no file {path}")
    if not path.is_file():
        return None  # a pipe can be read once, which the package does
    value = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    try:
        context = _named(value, "context", spec.context or value["current-context"], path)["context"]
        cluster = _named(value, "cluster", context["cluster"], path)["cluster"]
        user = _named(value, "user", context["user"], path)["user"] or {}
    except (KeyError, TypeError, LookupError):
        return None  # the package says what is wrong
    if not set(user) <= _PLAIN_USER or not set(cluster) <= _PLAIN_CLUSTER:
        return None
    url = _without_password(str(cluster["server"]))
    token = f"Bearer {user['token']}" if user.get("token") else ""
    tls = _tls(cluster, user, path.parent) if url.startswith("https:") else None
    return Access(
        url=url,
        tls=tls,
        server_name=cluster.get("tls-server-name"),
        authorization=lambda: token,
        proxy=_proxy(url, cluster.get("proxy-url") or ""),
    )


def _named(value: Any, sort: str, name: str, path: Path) -> Mapping[str, Any]:
    """Return the context, cluster or user of that name. Raises `ValueError` that says which there are."""
    found: Mapping[str, Mapping[str, Any]] = {one["name"]: one for one in value[f"{sort}s"]}
    if name not in found:
        raise ValueError(f"{path} has no {sort} {name!r}; it has {', '.join(map(repr, found)) or 'none'}")
    return found[name]


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    data = cluster.get("certificate-authority-data")
    file = cluster.get("certificate-authority")
    context = _context(
        verify=not cluster.get("insecure-skip-tls-verify"),
        ca_file=str(folder / file) if file and not data else None,
        ca_text=base64.b64decode(data).decode() if data else None,
    )
    with tempfile.TemporaryDirectory(prefix="gitops-bot-") as place:  # OpenSSL reads certificates from files only
        parts = [_file(user, folder, Path(place), part) for part in ("client-certificate", "client-key")]
        if parts[0]:
            context.load_cert_chain(parts[0], parts[1] or None)
    return context


def _file(user: Mapping[str, Any], folder: Path, place: Path, part: str) -> str:
    """Return the file of a certificate or key; "" when the user has none."""
    if data := user.get(f"{part}-data"):
        target = place / part
        target.touch(mode=0o600)
        target.write_bytes(base64.b64decode(data))
        return str(target)
    return str(folder / user[part]) if user.get(part) else ""


def _context(*, verify: bool, ca_file: str | None, ca_text: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file, cadata=ca_text)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # CAs of clusters often lack what RFC 5280 asks for
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _without_password(address: str) -> str:
    """Return an address without the user in it, who would meet our own header."""
    parsed = urlsplit(address)
    return parsed._replace(netloc=parsed.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _proxy(address: str, named: str) -> str:
    """Return the proxy that a kubeconfig or else the environment names, as kubectl reads them; "" for none."""
    if not named and any(name.lower().endswith("_proxy") for name in os.environ):
        from urllib import request  # imported late: it is large

        url = urlsplit(address)
        if not (url.hostname == "localhost" or _is_loopback(url.hostname or "") or request.proxy_bypass(url.netloc)):
            named = request.getproxies().get(url.scheme, "")
    if named and urlsplit(named).scheme != "http":
        raise ValueError("only proxies whose address begins with http:// are supported")
    return named


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name


def _by_package(spec: ClusterSpec) -> Access:
    from kubernetes import config  # imported late: see above
    from kubernetes.client.configuration import Configuration

    settings = Configuration(proxy="")  # the environment's is read below
    if spec.in_cluster:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    else:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=spec.kubeconfig or None,
            context=spec.context or None,
            client_configuration=settings,
            persist_config=False,
        )
    tls = None
    if settings.host.startswith("https:"):
        tls = _context(verify=settings.verify_ssl, ca_file=settings.ssl_ca_cert)
        if settings.cert_file:
            tls.load_cert_chain(settings.cert_file, settings.key_file)
    url = _without_password(settings.host)
    return Access(
        url=url,
        tls=tls,
        server_name=getattr(settings, "tls_server_name", None),
        authorization=lambda: settings.get_api_key_with_prefix("BearerToken") or "",
        proxy=_proxy(url, settings.proxy or ""),
    )
