"""Sections of a valid file as the values that the other rooms work with; relative paths begin at the file's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bot.model.app import Allowed, Approvers, AppSpec, HelmSpec, IgnoreRule, Mode, Render, Rollback, usual_priority
from bot.model.appset import AppSet
from bot.model.image import Follow, ImageName, Write, reference
from bot.model.source import MAIN, GitRef, RefKind, branch
from bot.settings import apps as sections
from bot.settings.git import Ref, Repo
from bot.settings.model import Settings
from bot.settings.rendering import Helm
from bot.settings.values import path_in
from bot.source import spec as git


def repo_spec(repo: Repo, folder: Path, secrets: Mapping[str, str]) -> git.RepoSpec:
    """Return a repository of the file, with its password."""
    login = repo.credentials
    url = repo.url
    if git.RepoSpec(name=repo.name, url=url).scheme == "file" and "://" not in url:
        url = path_in(url, folder.absolute())
    return git.RepoSpec(
        name=repo.name,
        url=url,
        ref=_ref(repo.ref, repo.branch) or MAIN,
        keyring_file=path_in(repo.verify.keyring, folder) if repo.verify is not None else "",
        signed=git.Signed(repo.verify.mode) if repo.verify is not None else git.Signed.HEAD,
        credentials=git.Credentials(
            username=login.username,
            password=secrets.get(login.password_env, "") if login.password_env else "",
            ssh_key_file=path_in(login.ssh_key_file, folder),
            known_hosts_file=path_in(login.known_hosts_file, folder),
            ca_file=path_in(login.ca_file, folder),
        ),
    )


def _ref(ref: Ref | None, name: str) -> GitRef | None:
    """Return what a section follows; None when it says nothing."""
    if ref is None:
        return branch(name) if name else None
    kind, value = next((kind, value) for kind in RefKind if (value := getattr(ref, kind.value)))
    return GitRef(kind, value, ref.prefix)


def app_spec(settings: Settings, app: sections.App, folder: Path) -> AppSpec:
    """Return an app of the file."""
    path = app.path.strip("/").removeprefix("./")
    depends_on = tuple(one if "/" in one else f"{app.cluster}/{one}" for one in app.depends_on)
    return replace(
        _spec(settings, app, folder, name=app.name, cluster=app.cluster, path=path),
        depends_on=depends_on,
        oncall_priority=app.oncall.priority or usual_priority(app.env),
        moved_from=app.moved_from,
    )


def _approvers(section: sections.ApproversSection) -> Approvers:
    return Approvers(users=section.users, groups=section.groups)


def app_set_spec(settings: Settings, index: int, one: sections.AppSet, folder: Path) -> AppSet:
    """Return what each app of a set is made from."""
    return AppSet(
        title=f"app_sets[{index}]",
        template=_spec(settings, one, folder, name=one.name, cluster="", path=""),
        paths=one.paths,
        exclude=one.exclude,
        clusters=one.clusters,
        envs=one.envs,
    )


def _helm(helm: Helm, folder: Path) -> HelmSpec:
    return HelmSpec(
        chart=helm.chart,
        version=helm.version,
        repo=helm.repo,
        values=helm.values,
        release=helm.release,
        username=helm.credentials.username,
        password_env=helm.credentials.password_env,
        ca_file=path_in(helm.credentials.ca_file, folder),
    )


def _follow(one: sections.FollowedImage) -> Follow:
    return Follow(image=_image(one.image), range=one.follow, tags=one.tags, write=Write(one.write))


def _image(text: str) -> ImageName:
    """Return what a name means, the placeholders of a set in its path."""
    plain = text.replace("{", "").replace("}", "")
    found = reference(plain)
    if found is None:
        raise ValueError(f"{text} is no image")  # the section has looked at it
    host, path = found.name.host, found.name.path
    return ImageName(host, path.removesuffix(plain) + text if path.endswith(plain) else text.partition("/")[2])


def _spec(settings: Settings, app: sections.AppKeys, folder: Path, *, name: str, cluster: str, path: str) -> AppSpec:
    repo = settings.repo(app.repo)
    return AppSpec(
        name=name,
        cluster=cluster,
        repo=app.repo,
        ref=_ref(app.ref, app.branch) or _ref(repo.ref, repo.branch) or MAIN,
        path=path,
        namespace=app.namespace,
        env=app.env,
        interval=app.interval,
        timeout=app.timeout,
        prune=app.prune,
        self_heal=app.self_heal,
        allow_empty=app.allow_empty,
        max_delete_count=app.max_delete.count,
        max_delete_share=app.max_delete.share,
        ignore=tuple(IgnoreRule(kind=one.kind, name=one.name, pointers=one.pointers) for one in app.ignore),
        depends_on=app.depends_on,
        channel=(app.channel or settings.slack.default_channel) if settings.slack.mode != "off" else "",
        oncall_team=app.oncall.team,
        oncall_priority=app.oncall.priority,
        mode=Mode(app.mode),
        approvals=app.approvals,
        approvers=_approvers(app.approvers or settings.approvers),
        adopt=frozenset(app.adopt),
        windows=tuple(one.value() for one in app.windows),
        render=Render(app.render),
        helm=_helm(app.helm, folder) if app.helm is not None else None,
        remote_hosts=app.kustomize.remote_hosts,
        substitute=app.substitute,
        allowed=Allowed(namespaces=app.allowed.namespaces, kinds=app.allowed.kinds),
        service_account=app.service_account,
        rollback=Rollback(app.rollback),
        oncall_degraded=app.oncall.degraded,
        oncall_outage=app.oncall.outage,
        images=tuple(map(_follow, app.images)),
    )
