"""What people do to the cluster behind the bot's back, as kubectl does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import yaml

from bot.sandbox.demo import cast, story
from bot.sandbox.demo.mischief.stage import Group, Mischief, Stage

_SHOP: Final = story.NAMESPACES[story.PRODUCTION]
_STAGING: Final = story.NAMESPACES[story.STAGING]
_LEVELS: Final = ("debug", "trace", "all")


def _edit(stage: Stage) -> str:
    return _edited(stage, _SHOP, {"BANNER": "EVERYTHING IS FREE", "LOG_LEVEL": "debug"})


def _edit_staging(stage: Stage) -> str:
    # Whoever keeps the edit merges it: the next one has to differ from Git as well as from the cluster.
    live = stage.by_hand("GET", _config_map(_STAGING), manager="kubectl")["data"]["LOG_LEVEL"]
    wanted = yaml.safe_load(stage.repo().read(f"{story.STAGING}/web/config.yaml"))["data"]["LOG_LEVEL"]
    level = next(one for one in _LEVELS if one not in {live, wanted})
    return f"{_edited(stage, _STAGING, {'LOG_LEVEL': level})} Look at #{cast.STAGING.name}."


def _edited(stage: Stage, namespace: str, data: Mapping[str, str]) -> str:
    kind = "application/merge-patch+json"
    stage.by_hand("PATCH", _config_map(namespace), manager="kubectl-edit", body={"data": data}, kind=kind)
    return f"ConfigMap {namespace}/web was edited with kubectl."


def _config_map(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/web"


def _delete(stage: Stage) -> str:
    stage.by_hand("DELETE", f"/api/v1/namespaces/{_SHOP}/services/cart", manager="kubectl")
    return f"Service {_SHOP}/cart was deleted with kubectl."


def _scale(stage: Stage) -> str:
    path = f"/apis/apps/v1/namespaces/{_SHOP}/deployments/web/scale"
    stage.by_hand("PATCH", path, manager="kubectl", body={"spec": {"replicas": 6}}, kind="application/merge-patch+json")
    return f"Deployment {_SHOP}/web was scaled to 6 with kubectl."


def _the_shops(stage: Stage) -> object:
    """The objects are the shop's, and stand in a cluster of ours."""
    return stage.repository and stage.cluster


ALL: Final = (
    Mischief(
        id="hand-edit",
        group=Group.CLUSTER,
        title="Edit a ConfigMap",
        text="kubectl edit: web's banner gives everything away.",
        do=_edit,
        needs=_the_shops,
    ),
    Mischief(
        id="staging-edit",
        group=Group.CLUSTER,
        title="Edit staging",
        text="kubectl edit: web-staging logs everything. There the bot asks what to do.",
        do=_edit_staging,
        needs=_the_shops,
    ),
    Mischief(
        id="delete",
        group=Group.CLUSTER,
        title="Delete a Service",
        text="kubectl delete: nobody reaches the cart any more.",
        do=_delete,
        needs=_the_shops,
    ),
    Mischief(
        id="scale",
        group=Group.CLUSTER,
        title="Scale to 6 replicas",
        text="kubectl scale: web gets more than Git says.",
        do=_scale,
        needs=_the_shops,
    ),
)
