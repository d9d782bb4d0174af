"""Container registries."""

from __future__ import annotations

from typing import Protocol

from bot.model.image import ImageName


class Registry(Protocol):
    """Every registry that images are followed in. All methods raise `RegistryError`."""

    def tags(self, image: ImageName) -> tuple[str, ...]:
        """Return every tag of an image, in the registry's order. Raises `ImageNotFound`."""

    def digest(self, image: ImageName, tag: str) -> str:
        """Return the digest of what a tag names, `sha256:…`. Raises `ImageNotFound`."""
