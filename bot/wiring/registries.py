"""Who looks after the images that apps follow, and the registries that are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bot.model.app import AppSpec
from bot.model.image import ImageName
from bot.ports.source import ProposalHosts
from bot.ports.state import Store
from bot.reconcile.notify.post import Post
from bot.reconcile.planning.world import World
from bot.settings import Configuration
from bot.settings.values import path_in

if TYPE_CHECKING:  # most installations follow no image, and do not pay for it
    from bot.reconcile.images.following import Following
    from bot.reconcile.images.tagging import Pushed
    from bot.registry.wire import Registries


def registries(configuration: Configuration) -> Registries:
    """Build the way to every registry, with the accounts of the configuration."""
    from bot.registry.wire import Account, Registries

    accounts = [
        Account(
            name=one.name,
            host=one.host,
            username=one.username,
            password=configuration.secret(one.password_env),
            ca_file=path_in(one.ca_file, configuration.path.parent),
        )
        for one in configuration.settings.registries
    ]
    return Registries(accounts)


def following(
    configuration: Configuration,
    apps: Mapping[str, AppSpec],
    *,
    world: World,
    store: Store,
    post: Post,
    hosts: ProposalHosts,
    pushed: Pushed,
) -> Following | None:
    """Build what follows images; None where no app does."""
    if not any(one.images for one in (*configuration.apps, *(one.template for one in configuration.app_sets))):
        return None
    from bot.reconcile.images.following import Following
    from bot.reconcile.images.tagging import Tagging

    registry = registries(configuration)
    return Following(
        apps,
        registry=registry,
        tagging=Tagging(world=world, store=store, post=post, hosts=hosts, registry=registry, pushed=pushed),
        store=store,
        post=post,
        intervals={one.host: one.interval for one in configuration.settings.registries},
        clock=world.clock,
    )


def followed_images(configuration: Configuration, apps: Mapping[str, AppSpec]) -> Mapping[str, tuple[ImageName, ...]]:
    """Return the images that apps follow by the host of their registry, and every registry of the configuration."""
    found: dict[str, set[ImageName]] = {one.host: set() for one in configuration.settings.registries}
    for app in apps.values():
        for one in app.images:
            found.setdefault(one.image.host, set()).add(one.image)
    return {host: tuple(sorted(images)) for host, images in found.items()}
