"""One entry of the configuration, many apps: every folder of a repository that matches becomes an app. Pure.

In go the folders of a commit, out come apps with every default filled in, and what keeps a folder from being one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from bot.model.app import AppSpec, usual_priority

APP_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_KNOWN: Final = ("basename", "path", "cluster")


def placeholders_checked(value: str) -> str:
    """Return `value`. Raises ValueError for a placeholder that means nothing."""
    for name in _PLACEHOLDER.findall(value):
        if name not in _KNOWN:
            raise ValueError(f"{{{name}}} means nothing here: write {', '.join(f'{{{one}}}' for one in _KNOWN)}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """The apps of a set at one commit; `faults` are sentences about folders that cannot be one."""

    apps: tuple[AppSpec, ...]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSet:
    """`template` has placeholders in its strings, no cluster, no path and no usual priority; `title` is its place.

    `envs` has the env by cluster, where it is not the template's.
    """

    title: str
    template: AppSpec
    paths: tuple[str, ...]
    exclude: tuple[str, ...]
    clusters: tuple[str, ...]
    envs: Mapping[str, str] = field(default_factory=dict)

    def members(self, folders: Iterable[str]) -> Members:
        """Return an app per matching folder and cluster, in order."""
        apps: list[AppSpec] = []
        faults: list[str] = []
        for folder in sorted(folders):
            if not any(matches(folder, one) for one in self.paths) or any(matches(folder, one) for one in self.exclude):
                continue
            for cluster in self.clusters:
                app = self._member(folder, cluster)
                wrong = next((one for one in (app.name, app.namespace) if not APP_NAME.fullmatch(one)), None)
                if wrong is None:
                    apps.append(app)
                else:
                    faults.append(f"{self.title}: the folder {folder} is no app: {wrong!r} is no name in Kubernetes")
        return Members(apps=tuple(apps), faults=tuple(faults))

    def _member(self, folder: str, cluster: str) -> AppSpec:
        words = {"basename": folder.rpartition("/")[2], "path": folder.replace("/", "-"), "cluster": cluster}

        def filled(text: str) -> str:
            return _PLACEHOLDER.sub(lambda found: words[found[1]], text)

        template = self.template
        env = self.envs[cluster] if cluster in self.envs else filled(template.env)
        return replace(
            template,
            name=filled(template.name),
            cluster=cluster,
            path=folder,
            namespace=filled(template.namespace),
            env=env,
            oncall_priority=template.oncall_priority or usual_priority(env),
            channel=filled(template.channel),
            images=tuple(
                replace(one, image=replace(one.image, path=filled(one.image.path))) for one in template.images
            ),
            depends_on=tuple(one if "/" in one else f"{cluster}/{one}" for one in template.depends_on),
            app_set=self.title,
        )


def matches(folder: str, pattern: str) -> bool:
    """Tell whether a folder matches a shell pattern; `*` and `?` never match a `/`."""
    have, want = folder.split("/"), pattern.strip("/").split("/")
    return len(have) == len(want) and all(fnmatchcase(one, two) for one, two in zip(have, want, strict=True))
