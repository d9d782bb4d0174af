"""What two error texts have in common: the same trouble reads the same, whatever changes in between. Pure.

Two questions are answered. Has this app said this already (`fingerprint`)? Do two apps fail for one reason (`kinship`)?
An outage of a neighbour is named by the neighbour alone: an API server that refuses connections, then times out, then
answers 503 is one trouble. Everything else is compared by its words, without what is volatile in them and, between
apps, without what is each app's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Final

from bot.errors import ApiUnavailable, ChartError, ClusterError, PassError, RepositoryRefused, SourceError

_NO_NAME: Final = re.compile(
    r"could not resolve host|name or service not known|temporary failure in name resolution|no such host"
    r"|nodename nor servname|failed to resolve|name resolution|no address associated with hostname",
    re.IGNORECASE,
)
_HOST: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*://(?:[^@/\s]*@)?|\b[\w.-]+@)([\w.-]+)")
_POD: Final = "bcdfghjklmnpqrstvwxz2456789"  # the letters of generated names, apimachinery util/rand
_VOLATILE: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), kept)
    for pattern, kept in (
        (r"(?:/var)?/(?:tmp|folders)/[^\s'\"`,;)]+", "#"),  # files that live for one run
        (r"\b((?:request|trace|correlation|span|session)[ _-]?id[\"']?\s*[:=]?\s*)[\w./+=-]+", r"\1#"),
        (r"\b(resource ?version[\"']?\s*[:=]?\s*)[\w./+=\"'-]+", r"\1#"),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "#"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:\s?(?:Z\b|UTC|GMT|[+-]\d\d:?\d\d))?", "#"),
        (r"\[[0-9a-f:.%]+\](?::\d+)?", "#"),  # IPv6 in brackets
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?(?::\d+)?\b", "#"),
        (r"\b\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?(?:UTC|GMT))?\b", "#"),
        (r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}(?![\w:])", "#"),
        (r"((?:[a-z0-9-]+\.)+[a-z]{2,}|localhost)(?::\d+)?/[\w./@:-]+", r"\1/#"),  # an image, or what a URL names
        (r"\b(?:\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|sec|seconds|m|min|minutes|h|hours|d|days)(?![a-z]))+", "#"),
        (rf"-[{_POD}]{{6,10}}-[{_POD}]{{5}}\b", "-#"),  # a Pod of a Deployment
        (r"\b0x[0-9a-f]+\b", "#"),
        (r"\b[0-9a-f]{7,}\b", "#"),
        (r"\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{20,}={0,2}", "#"),  # tokens, ids
        (r"\d+", "#"),
    )
)
# The server stops at the first field that it does not know, and begins at another one each time (Go's order of maps).
_UNDECLARED: Final = re.compile(
    r"(failed to create typed patch object \([^)]*\):).*field not declared in schema.*", re.DOTALL
)


def steady(text: str) -> str:
    """Return a text without what changes from one time to the next: ids, times, addresses, ports, counts, hashes."""
    for pattern, kept in _VOLATILE:
        text = pattern.sub(kept, text)
    return " ".join(text.lower().split())


def neighbour(error: PassError) -> str:
    """Name whom an error is to be blamed on when it strikes every app alike; "" when it may be the app's own."""
    text = str(error)
    if error.transient and _NO_NAME.search(text):
        return "name resolution"
    found = _HOST.search(text)
    match error:
        case ApiUnavailable():
            return f"cluster {error.cluster}: the API group {error.group}"
        case ClusterError() if error.transient:
            return api_server(error.cluster)
        case ClusterError():  # the same credentials are refused at one address after the other
            return f"cluster {error.cluster}: {'credentials' if '(401)' in text else steady(text)}"
        case SourceError() if error.transient or isinstance(error, RepositoryRefused):
            who = f"git host {found[1]}" if found is not None else f"repository {error.repo}"
            return who if error.transient else f"{who} refuses"
        case ChartError() if error.transient:
            return f"registry {found[1]}" if found is not None else "a registry"
        case _:
            return ""


def api_server(cluster: str) -> str:
    """Name the neighbour that a cluster is as a whole."""
    return f"cluster {cluster}"


def fingerprint(*texts: str) -> str:
    """Return the same for texts that say the same."""
    plain = (steady(_UNDECLARED.sub(r"\1 unknown fields", text)) for text in texts)
    return hashlib.sha256("\n".join(plain).encode()).hexdigest()


def kinship(texts: Collection[str], *, own: Sequence[str]) -> str:
    """Return the same for two apps whose troubles read alike but for the words of their own: names, paths, namespaces.

    Neither the number of the objects in trouble nor their order counts.
    """
    words = sorted({word for word in own if len(word) > 1}, key=len, reverse=True)
    mine = re.compile("|".join(rf"(?<![\w-]){re.escape(word)}(?![\w-])" for word in words)) if words else None
    plain = {steady(mine.sub("#", text) if mine is not None else text) for text in texts}
    return hashlib.sha256("\n".join(sorted(plain)).encode()).hexdigest()
