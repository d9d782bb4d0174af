"""What becomes of a container, told by its image: the one thing a user of the sandbox can decide freely."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Final


class Fate(Enum):
    """How an image behaves."""

    RUNS = "runs"  # runs and is ready; ends well when a Job owns it
    NEVER_READY = "never ready"
    CANNOT_PULL = "cannot pull"
    CRASHES = "crashes"  # ends with exit code 1 before it is ready
    FAILS = "fails"  # as a Job: ends with exit code 1


# The names of the test control plane (docs/control-plane.md), and what a user would push to see something fail.
DEFAULT_RULES: Final = (
    ("gitops-bot.test/never-ready:*", Fate.NEVER_READY),
    ("gitops-bot.test/bad-image:*", Fate.CANNOT_PULL),
    ("gitops-bot.test/crash-loop:*", Fate.CRASHES),
    ("gitops-bot.test/failing-job:*", Fate.FAILS),
    ("*:*broken*", Fate.CANNOT_PULL),
    ("*:*crash*", Fate.CRASHES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """`rules` are (pattern, fate), the first that matches counts; `known`, when given, are the patterns that exist."""

    rules: tuple[tuple[str, Fate], ...] = DEFAULT_RULES
    known: frozenset[str] | None = None

    def fate(self, image: str) -> Fate:
        """Return what becomes of containers of an image."""
        for pattern, fate in self.rules:
            if fnmatchcase(image, pattern):
                return fate
        if self.known is not None and not any(fnmatchcase(image, pattern) for pattern in self.known):
            return Fate.CANNOT_PULL
        return Fate.RUNS


def reference(image: str) -> str:
    """Return an image's full name as a container runtime shows it: `nginx:1` is `docker.io/library/nginx:1`."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        full = image
    else:
        full = f"docker.io/{image}" if slash else f"docker.io/library/{image}"
    tagged = "@" in full or ":" in full.rpartition("/")[2]
    return full if tagged else f"{full}:latest"
