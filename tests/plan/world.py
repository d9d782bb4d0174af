"""Builders of plain values: objects as Git has them, as the cluster has them, and the plan of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.model.app import AppSpec
from bot.model.marks import APP_LABEL
from bot.model.plan import Accepted, Answer, Change, Observation, Owner, Plan, Tracked
from bot.model.record import Inventory
from bot.model.resource import Body, Manifest, Origin, ResourceId, ResourceRef, id_of, split_api_version
from bot.model.source import MAIN, Revision
from bot.plan.planner import make_plan
from bot.render.documents import desired_state, digest_of

APP: Final = AppSpec(
    name="shop",
    cluster="prod",
    repo="fleet",
    ref=MAIN,
    path="apps/shop",
    namespace="shop",
    env="production",
    interval=timedelta(minutes=1),
    timeout=timedelta(minutes=5),
    prune=True,
    self_heal=True,
    allow_empty=False,
    max_delete_count=10,
    max_delete_share=0.66,
    ignore=(),
    depends_on=(),
    channel="C0DEPLOYS",
    oncall_team="",
    oncall_priority="P3",
)
REVISION: Final = Revision(
    commit="a1b2c3d4" * 5,
    subject="Raise the limit",
    author="Ana Lima",
    email="ana@example.com",
    committed_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
)


def thing(
    kind: str,
    name: str,
    *,
    api: str = "v1",
    namespace: str = "shop",
    annotations: Mapping[str, str] | None = None,
    uid: str = "",
    **fields: Any,
) -> dict[str, Any]:
    """Return an object's body; `fields` are its top-level fields."""
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if annotations:
        metadata["annotations"] = dict(annotations)
    if uid:
        metadata["uid"] = uid
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def config(name: str = "settings", **data: str) -> dict[str, Any]:
    return thing("ConfigMap", name, data=data)


def live(body: Body, *, uid: str = "u1", **fields: Any) -> dict[str, Any]:
    """Return the object as a server stores it."""
    return {**body, "metadata": {**body["metadata"], "uid": uid, "resourceVersion": "7"}, **fields}


def ref(body: Body) -> ResourceRef:
    return ResourceRef(id_of(body), split_api_version(str(body["apiVersion"]))[1])


def wanted(
    body: Body,
    *,
    live: Body | None = None,
    answer: Answer | None = None,
    owner: Owner | None = None,
    left: str = "",
    line: int = 1,
) -> Observation:
    """Return what is observed of an object that Git wants; the server predicts exactly what Git says."""
    manifest = Manifest(id=id_of(body), version=ref(body).version, body=body, origin=Origin("apps/shop/all.yaml", line))
    return Observation(manifest=manifest, live=live, answer=answer or Accepted(predicted=body), owner=owner, left=left)


def dropped(
    body: Body | None, *, known: Body | None = None, owner: Owner | None = None, marked: bool = True
) -> Tracked:
    """Return an object of the inventory that Git dropped; `known` names it when it is gone from the cluster too."""
    named = body or known
    assert named is not None
    if body is not None and marked:
        body = {**body, "metadata": {"labels": {APP_LABEL: APP.name}, **body["metadata"]}}
    return Tracked(ref=ref(named), live=body, owner=owner)


def plan(
    observations: Sequence[Observation] = (),
    tracked: Sequence[Tracked] = (),
    *,
    app: AppSpec = APP,
    revision: Revision = REVISION,
    key: bytes = b"key",
    runs_hooks: bool = False,
) -> Plan:
    refs: Iterable[ResourceRef] = [*(one.manifest.ref for one in observations), *(one.ref for one in tracked)]
    manifests = [one.manifest for one in observations]
    return make_plan(
        app=app,
        revision=revision,
        ref="main",
        observations=observations,
        tracked=tracked,
        inventory=Inventory(app=app.name, refs=frozenset(refs)),
        key=key,
        rendered=desired_state(manifests, map(digest_of, manifests), key).digest,
        runs_hooks=runs_hooks,
    )


def change(made: Plan, body: Body) -> Change:
    """Return what becomes of an object."""
    id: ResourceId = id_of(body)
    return next(one for one in made.changes if one.id == id)


def app(**fields: Any) -> AppSpec:
    return replace(APP, **fields)
