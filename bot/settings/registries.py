"""Container registries whose images are followed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from bot.model.image import reference
from bot.settings.git import Login
from bot.settings.values import Duration


class Registry(Login):
    """A container registry: how we log in, and how often it is asked. Others are asked as anybody, every 5m."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    """Its webhooks go to `/webhooks/registry/NAME`."""
    host: str
    """As images name it: `quay.io`, `docker.io`. A registry on this machine (`localhost:5000`) is asked without TLS."""
    interval: Duration = timedelta(minutes=5)
    """How often tags are looked at, where no webhook says something new; from 1m."""

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        found = reference(f"{value}/image")
        if found is None or "/" in value or found.name.path not in {"image", "library/image"}:
            raise ValueError("expected the host of a registry alone, such as quay.io or registry.example.com:5000")
        return found.name.host

    @field_validator("interval")
    @classmethod
    def _not_too_often(cls, value: timedelta) -> timedelta:
        if value < timedelta(minutes=1):
            raise ValueError("registries count requests: ask once in 1m or more, and let a webhook say what is new")
        return value
