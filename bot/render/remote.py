"""References of a kustomization to other repositories, in kustomize's own notation. Pure.

In goes what stands in a kustomization file, out comes the repository, the folder in it and the tag or commit; or why it
is not fetched. A branch cannot be told from a tag here; whoever fetches asks for the tag.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

PLACE: Final = ".remote-bases"  # where a checkout shows them
_SCP: Final = re.compile(r"(?P<user>[^/@\s]+)@(?P<host>[^/:\s]+):(?P<path>.+)")
_SHORT: Final = re.compile(r"(?:gh:|github\.com[/:])(?P<path>.+)")
# Where the repository ends: at `//`, which kustomize recommends, after `.git`, as Azure has it, or after two parts.
_REPOSITORY: Final = tuple(
    re.compile(rf"(?P<repo>{one})(?P<path>.*)")
    for one in (r"/.+?(?=//)", r"/.+?\.git(?=/|$)", r"/.+?/_git/[^/]+", r"/[^/]+/[^/]+(?=/|$)")
)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A folder of another repository; `ref` is a tag or a full commit hash."""

    url: str
    host: str
    path: str
    ref: str

    @property
    def is_commit(self) -> bool:
        return _COMMIT.fullmatch(self.ref) is not None

    @property
    def place(self) -> str:
        """The folder of a checkout that its repository appears in."""
        parts = urlsplit(self.url)
        return f"{PLACE}/{self.host}{parts.path.removesuffix('.git')}@{self.ref.replace('/', '_')}"

    @property
    def folder(self) -> str:
        return posixpath.normpath(posixpath.join(self.place, self.path))


def parse(reference: str) -> Remote | str:
    """Return what a remote reference names, or why it is not fetched."""
    text = reference.removeprefix("git::")
    if (scp := _SCP.fullmatch(text)) and "://" not in text:
        text = f"ssh://{scp['user']}@{scp['host']}/{scp['path']}"
    elif short := _SHORT.fullmatch(text):
        text = f"https://github.com/{short['path']}"
    address, _, query = text.partition("?")
    parts = urlsplit(address)
    if parts.scheme not in {"https", "ssh"} or not parts.hostname:
        return "is neither at https:// nor at ssh://"
    if parts.password is not None:
        return "contains a password, for everybody who reads the file"
    found = next((match for one in _REPOSITORY if (match := one.fullmatch(parts.path))), None)
    if found is None or (not query and parts.path.endswith((".yaml", ".yml", ".json"))):
        return "is no folder of a Git repository"
    inside = found["path"].strip("/")
    path = posixpath.normpath(inside) if inside else ""
    if path.split("/")[0] == "..":
        return "leaves its repository"
    asked = parse_qs(query)
    ref = next((values[0] for key in ("ref", "version") if (values := asked.get(key))), "")
    if not ref:
        return "names no tag or commit (?ref=), so that the same commit would not always render the same"
    url = parts._replace(path=found["repo"], query="", fragment="").geturl()
    return Remote(url=url, host=parts.hostname, path=path, ref=ref)
