"""What the sections say of each other: names that are there twice, that nobody has, and circles.

Works on a file that is wrong elsewhere too: in go its values as YAML has them, out come locations with a sentence.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.settings.yamlfile import Location

Found = tuple[Location, str]


def dangling(raw: Any) -> Iterator[Found]:
    """Yield what the sections say of each other and is not so."""
    known: dict[str, list[str]] = {}
    for section in ("clusters", "repos"):
        known[section] = [str(item["name"]) for _, item in entries(raw, section) if isinstance(item.get("name"), str)]
        yield from _twice(raw, section)
    for word in ("name", "host"):
        yield from _twice(raw, "registries", word)
    yield from _apps(raw, known)
    yield from _app_sets(raw, known)
    yield from _dependencies(raw)
    yield from _reverts(raw)
    yield from _writes(raw)
    for index, item in entries(raw, "writebacks"):
        yield from _missing(("writebacks", index, "repo"), item.get("repo"), "repo", known["repos"])


def entries(raw: Any, section: str) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the entries of a list in the file that are mappings, with their places."""
    items = raw.get(section) if isinstance(raw, Mapping) else None
    return [(i, item) for i, item in enumerate(items) if isinstance(item, Mapping)] if isinstance(items, list) else []


def _twice(raw: Any, section: str, word: str = "name") -> Iterator[Found]:
    seen: set[str] = set()
    for index, item in entries(raw, section):
        name = item.get(word)
        if isinstance(name, str):
            if name in seen:
                yield (section, index, word), f"{section}[{index}].{word}: {name} is there twice"
            seen.add(name)


def _apps(raw: Any, known: Mapping[str, Sequence[str]]) -> Iterator[Found]:
    apps = entries(raw, "apps")
    keys: list[str] = []
    for index, app in apps:
        if _key(app) in keys:
            yield ("apps", index, "name"), f"apps[{index}].name: {app.get('name')} is there twice on its cluster"
        keys.append(_key(app))
        for word, section in (("cluster", "clusters"), ("repo", "repos")):
            yield from _missing(("apps", index, word), app.get(word), word, known[section])
        path = app.get("path")
        if isinstance(path, str) and (path.startswith("/") or ".." in path.split("/")):
            yield ("apps", index, "path"), f"apps[{index}].path: {path} leaves the repository: write it relative to it"
        old = app.get("moved_from")
        if isinstance(old, str) and old and f"{app.get('cluster')}/{old}" in map(_key, (other for _, other in apps)):
            yield ("apps", index, "moved_from"), f"apps[{index}].moved_from: {old} is an app still: remove it first"


def _app_sets(raw: Any, known: Mapping[str, Sequence[str]]) -> Iterator[Found]:
    for index, one in entries(raw, "app_sets"):
        yield from _missing(("app_sets", index, "repo"), one.get("repo"), "repo", known["repos"])
        given, envs = one.get("clusters"), one.get("envs")
        wanted = given if isinstance(given, list) else []
        for number, name in enumerate(wanted):
            yield from _missing(("app_sets", index, "clusters", number), name, "cluster", known["clusters"])
        for cluster in envs if isinstance(envs, dict) and wanted else ():
            if cluster not in wanted:
                place: Location = ("app_sets", index, "envs", cluster)
                yield place, f"app_sets[{index}].envs: {cluster} is none of its clusters: {', '.join(map(str, wanted))}"
        name = one.get("name")
        if name is not None and "{" not in str(name):
            where: Location = ("app_sets", index, "name")
            yield where, f"app_sets[{index}].name: every app would be {name}: use {{basename}}"


def _reverts(raw: Any) -> Iterator[Found]:
    """Yield the apps whose rollbacks could not be pushed, or would not be taken back from there."""
    for where, app, on_branch, signed in _followers(raw):
        if app.get("rollback") != "revert":
            continue
        at: Location = (*where, "rollback")
        if not on_branch:
            yield at, f"{_shown(at)}: revert needs a branch to push to; a tag or commit is none"
        if signed:
            yield at, f"{_shown(at)}: the repository wants signed commits, and the bot signs none: use pin"


def _writes(raw: Any) -> Iterator[Found]:
    """Yield the images whose tags could not be written."""
    for where, app, on_branch, signed in _followers(raw):
        names: set[str] = set()
        for number, image in entries(app, "images"):
            at: Location = (*where, "images", number)
            name = str(image.get("image"))
            if name in names:
                yield at, f"{_shown(at)}: {name} is there twice: its tag is one or the other"
            names.add(name)
            if not on_branch:
                yield at, f"{_shown(at)}: a tag is written to a branch, and the app follows none"
            elif signed and image.get("write") != "pull-request":
                why = "the repository wants signed commits, and the bot signs none: use write: pull-request"
                yield at, f"{_shown(at)}: {why}"


def _followers(raw: Any) -> Iterator[tuple[Location, Mapping[str, Any], bool, bool]]:
    """Yield each app with its place, whether it follows a branch, and whether what is there must be signed."""
    repos = {str(one.get("name")): one for _, one in entries(raw, "repos")}
    for section in ("apps", "app_sets"):
        for index, app in entries(raw, section):
            repo = repos.get(str(app.get("repo")), {})
            ref = app.get("ref") or (None if app.get("branch") else repo.get("ref"))
            yield (section, index), app, not isinstance(ref, Mapping) or "branch" in ref, repo.get("verify") is not None


def _shown(where: Location) -> str:
    """Return `apps[0].rollback`."""
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in where).lstrip(".")


def _dependencies(raw: Any) -> Iterator[Found]:
    apps = entries(raw, "apps")
    keys = [_key(app) for _, app in apps]
    has_sets = bool(entries(raw, "app_sets"))
    graph: dict[str, list[str]] = {}
    for index, app in apps:
        wanted = app.get("depends_on")
        graph[_key(app)] = []
        for number, other in enumerate(wanted if isinstance(wanted, list) else ()):
            target = str(other) if "/" in str(other) else f"{app.get('cluster')}/{other}"
            graph[_key(app)].append(target)
            if target not in keys and not has_sets:  # an app of a set is known once its folder is
                where: Location = ("apps", index, "depends_on", number)
                yield where, f"apps[{index}].depends_on: {_no_such('app', str(other), keys)}"
    for index, key in enumerate(graph):
        if _reaches(graph, key):
            yield ("apps", index, "depends_on"), f"apps[{index}].depends_on: {key} depends on itself in a circle"


def _key(app: Mapping[str, Any]) -> str:
    return f"{app.get('cluster')}/{app.get('name')}"


def _missing(where: Location, value: Any, word: str, names: Sequence[str]) -> Iterator[Found]:
    if isinstance(value, str) and value not in names:
        section, index, key = where[:3]
        yield where, f"{section}[{index}].{key}: {_no_such(word, value, names)}"


def _no_such(word: str, value: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(value, names, n=1)
    return f"there is no {word} {value}" + (f": did you mean {close[0]}?" if close else "")


def _reaches(graph: Mapping[str, Sequence[str]], start: str) -> bool:
    seen: set[str] = set()
    pending = list(graph[start])
    while pending:
        one = pending.pop()
        if one == start:
            return True
        if one not in seen:
            seen.add(one)
            pending += graph.get(one, ())
    return False
