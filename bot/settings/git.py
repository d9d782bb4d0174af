"""Repositories, and what of them is followed and trusted."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from bot.settings.values import Section

T = TypeVar("T", bound=Section)


class Login(Section):
    """How a private host is reached."""

    username: str = ""
    """Never sent over plain `http://`."""
    password_env: str = ""
    """Name of the environment variable that holds the password or token."""
    ca_file: str = ""
    """PEM file of the authority that signed the host's certificate."""


class Credentials(Login):
    """How the host is reached: a name with a password or token, or an SSH key."""

    ssh_key_file: str = ""
    """Private key without a passphrase."""
    known_hosts_file: str = ""
    """Host keys that are trusted; the user's own file where none is named."""


class Ref(Section):
    """What to follow: exactly one of branch, tag, semver and commit."""

    branch: str = ""
    tag: str = ""
    semver: str = ""
    """A range such as `1.x`, `>=1.2 <2` or `^1.4`: its highest tag is followed."""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    """All 40 digits."""
    prefix: str = ""
    """With `semver`: what precedes the version in the tags, `shop-v` for `shop-v1.2.3`."""

    @model_validator(mode="after")
    def _one(self) -> Ref:
        given = [name for name in ("branch", "tag", "semver", "commit") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("name exactly one of branch, tag, semver and commit")
        if self.prefix and not self.semver:
            raise ValueError("prefix belongs to semver")
        return self


def with_one_ref(section: T) -> T:
    """Raise ValueError for a section that names both a branch and a ref."""
    if {"branch", "ref"} <= section.model_fields_set:
        raise ValueError("branch and ref exclude each other: a branch is also ref: {branch: NAME}")
    return section


class Verify(Section):
    """Only what is signed by one of these keys is used."""

    keyring: Annotated[str, Field(min_length=1)]
    """File of allowed signers (SSH) or of public keys (PGP)."""
    mode: Literal["head", "tag", "tag-and-head"] = "head"
    """What must be signed: the commit, the tag followed, or both."""


class Repo(Section):
    """A Git repository."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    url: Annotated[str, Field(min_length=1)]
    """`https://…`, `ssh://…`, `git@host:path` or a path."""
    branch: str = "main"
    ref: Ref | None = None
    """A tag, a range of versions or a commit instead of the branch."""
    web_url: str = ""
    """Where people read it, for links; derived from `url` for the known hosts."""
    credentials: Credentials = Credentials()
    verify: Verify | None = None

    @model_validator(mode="after")
    def _one_ref(self) -> Repo:
        return with_one_ref(self)

    @property
    def needs_tag(self) -> bool:
        """Whether only what a signed tag leads to is used."""
        return self.verify is not None and self.verify.mode != "head"

    @model_validator(mode="after")
    def _tag_to_verify(self) -> Repo:
        if self.needs_tag and (self.ref is None or self.ref.branch):
            raise ValueError("a verify.mode with tag needs ref: {tag: …} or {semver: …}")
        return self
