"""Create, update, patch and apply: from the body of a request to the object in the store.

The order of the steps is the real server's, since owners of fields, defaults and errors depend on it: read, default,
write down the owners, admit, prepare, validate, store. A write that changes nothing keeps the resourceVersion.
Source: k8s.io/apiserver/pkg/endpoints/handlers and pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from bot.sandbox.kube import merge, strategies
from bot.sandbox.kube.admission import Admission
from bot.sandbox.kube.checks import check
from bot.sandbox.kube.conversion import convert, stored
from bot.sandbox.kube.dynamic import DynamicAdmission, Operation, Review
from bot.sandbox.kube.errors import (
    Cause,
    StatusError,
    already_exists,
    bad_request,
    invalid,
)
from bot.sandbox.kube.forms import Form, Forms
from bot.sandbox.kube.intake import OVERTAKEN, expect_name, expect_version, keep_reset, kind_matches, read, through_door
from bot.sandbox.kube.json_patch import json_patch, merge_patch
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.merge.gotext import go_value
from bot.sandbox.kube.objects import begin, finalizers, keep_system_fields, leaving, place, with_generated_name
from bot.sandbox.kube.orders import PatchType, Target, Write, Written
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Provisional, Stale, Store, Taken
from bot.sandbox.kube.strategic_patch import strategic_patch


class Writer:
    """Thread-safe; holds no lock but the store's."""

    def __init__(
        self,
        store: Store,
        forms: Forms,
        admission: Admission,
        dynamic: DynamicAdmission,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._forms, self._clock = store, forms, clock
        self._admission, self._dynamic = admission, dynamic

    # --- create -----------------------------------------------------------------------------------------------

    def create(self, resource: Resource, namespace: str, body: Body, write: Write) -> Written:
        """Create an object. Raises `StatusError`."""
        form = self._forms.of(resource)
        new, warnings = read(form, resource, body, write.strictness)
        metadata = new.setdefault("metadata", {})
        place(metadata, namespaced=resource.namespaced, namespace=namespace)
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        with_generated_name(metadata)
        new = form.default(new)
        new = dict(self._owned(form, resource, None, new, write))
        return self._create(form, Target(resource=resource, namespace=namespace, name=""), new, write, warnings)

    def _create(
        self, form: Form, target: Target, new: dict[str, Any], write: Write, warnings: tuple[str, ...]
    ) -> Written:
        resource = target.resource
        new["metadata"] = dict(new["metadata"])
        self._admission.admit(resource, new, None)
        new, told = self._mutated(form, target, new, None, write)
        warnings = (*warnings, *told)
        metadata = new["metadata"] = dict(new["metadata"])
        begin(metadata, self._clock())
        strategies.prepare_create(resource, new)
        encoded = form.hold(new)  # the real server encodes it so, and every reader of it decodes it with defaults
        new = form.default(new)
        complete = encoded == new
        name = str(metadata.get("name") or "")
        with self._admission.allocating(resource, new):
            self._validate(form, resource, new, None, name)
            warnings = (*warnings, *self._permitted(target, new, None, write))
            self._admission.validate(resource, new, None)
            new = form.keep(new)
            kept = dict(stored(new, resource)) if complete else Provisional(stored(new, resource))
            if write.dry_run:
                if self._store.get(resource.key, metadata.get("namespace", ""), name) is not None:
                    raise already_exists(resource.group, resource.plural, name)
                return Written(body=new, created=True, warnings=warnings)
            try:
                made = self._store.create(resource.key, kept)
            except Taken:
                raise self._taken(resource, metadata.get("namespace", ""), name) from None
        return Written(body=convert(made, resource, resource.version), created=True, warnings=warnings)

    def _taken(self, resource: Resource, namespace: str, name: str) -> StatusError:
        error = already_exists(resource.group, resource.plural, name)
        there = self._store.get(resource.key, namespace, name)
        if there is not None and leaving(there):
            error.message = f"object is being deleted: {error.message}"
        return error

    # --- change -----------------------------------------------------------------------------------------------

    def update(self, target: Target, body: Body, write: Write) -> Written:
        """Replace an object, or what its subresource shows of it. Raises `StatusError`."""
        resource = target.resource
        form = self._forms.of(resource)
        new, warnings = read(form, resource, body, write.strictness)
        expect_name(target, new)
        if (
            not target.subresource
            and strategies.created_by_update(resource)
            and self._store.get(resource.key, target.namespace, target.name) is None
        ):
            place(new["metadata"], namespaced=resource.namespaced, namespace=target.namespace)
            new["metadata"]["name"] = target.name
            new = form.default(new)
            new = dict(self._owned(form, resource, None, new, write))
            return self._create(form, target, new, write, warnings)

        def make(live: Body) -> dict[str, Any]:
            if not new["metadata"].get("resourceVersion") and not strategies.unconditional_update(resource):
                cause = Cause(
                    reason="FieldValueInvalid",
                    field="metadata.resourceVersion",
                    message="Invalid value: 0: must be specified for an update",
                )
                raise invalid(resource.group, resource.plural, target.name, [cause])
            made = form.default({**new, "metadata": dict(new["metadata"])})
            keep_reset(resource, body, made)
            return self._tracked(form, target, live, made, write)

        return self._change(target, make, write, warnings)

    def patch(self, target: Target, kind: PatchType, document: Any, write: Write) -> Written:
        """Patch an object; an apply creates the one that is not there. Raises `StatusError`."""
        form = self._forms.of(target.resource)
        if kind is PatchType.APPLY:
            return self._apply(form, target, document, write)
        if kind is PatchType.STRATEGIC and target.resource.definition is not None:
            raise StatusError(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            )
        warnings: list[str] = []

        def make(live: Body) -> dict[str, Any]:
            match kind:
                case PatchType.JSON:
                    patched = json_patch(live, document)
                case PatchType.MERGE:
                    patched = merge_patch(live, document)
                case _:
                    patched = strategic_patch(target.resource, live, document)
            given = go_value(document) if kind is PatchType.STRATEGIC else orjson.dumps(patched).decode()
            new, warned = read(form, target.resource, patched, write.strictness, patch=given)
            warnings[:] = warned
            expect_name(target, new)
            made = form.default(new)
            keep_reset(target.resource, patched, made)
            return self._tracked(form, target, live, made, write)

        written = self._change(target, make, write, ())
        return Written(body=written.body, warnings=tuple(warnings))

    def _apply(self, form: Form, target: Target, config: Body, write: Write) -> Written:
        resource = target.resource
        if not write.manager:
            cause = Cause(
                reason="FieldValueRequired", field="fieldManager", message="Required value: is required for apply patch"
            )
            raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
        if not isinstance(config, Mapping):
            raise bad_request("error decoding YAML: the patch is not an object")
        kind_matches(resource, config, applied=True)
        metadata = {**(config.get("metadata") or {}), "name": target.name}
        given = (config.get("metadata") or {}).get("name")
        if given and given != target.name:
            raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({target.name})")
        place(metadata, namespaced=resource.namespaced, namespace=target.namespace)
        config = {**config, "metadata": metadata}

        def make(live: Body | None) -> dict[str, Any]:
            try:
                merged = merge.apply(
                    form.schema,
                    live,
                    config,
                    manager=write.manager,
                    api_version=resource.api_version,
                    force=write.force,
                    now=self._clock(),
                    subresource=target.subresource,
                )
            except merge.Conflicts as error:
                raise StatusError(
                    409,
                    "Conflict",
                    str(error),
                    causes=[
                        Cause(reason="FieldManagerConflict", message=one.message, field=one.field)
                        for one in error.conflicts
                    ],
                ) from error
            except merge.ConfigRefused as error:
                raise StatusError(error.code, "BadRequest" if error.code == 400 else "", str(error)) from error
            return form.default(form.hold(merged))

        if self._store.get(resource.key, target.namespace, target.name) is None:
            if target.subresource or metadata.get("uid"):
                raise target.missing()
            if metadata.get("resourceVersion"):
                raise target.conflict(OVERTAKEN)
            return self._create(form, target, make(None), write, ())
        return self._change(target, make, write, ())

    def change(self, target: Target, make: Callable[[Body], dict[str, Any]], write: Write) -> Body:
        """Change an object by code, as controllers of the server itself do; `make` gets the stored object."""
        return self._change(target, make, write, ()).body

    def _change(
        self, target: Target, make: Callable[[Body], dict[str, Any]], write: Write, warnings: Sequence[str]
    ) -> Written:
        resource = target.resource
        form = self._forms.of(resource)
        while True:
            there = self._store.get(resource.key, target.namespace, target.name)
            if there is None:
                raise target.missing()
            live = convert(there, resource, resource.version)
            new = make(live)
            expect_version(target, new, live)
            new, told = self._prepared(form, target, new, live, write)
            bound = target.subresource == "binding"  # of a Pod to a node, which no update may do
            with self._admission.allocating(resource, new, live):
                self._validate(form, resource, new, None if bound else live, target.name)
                warnings = (*warnings, *told, *self._permitted(target, new, live, write))
                self._admission.validate(resource, new, live)
                kept: Body = merge.settled(live, form.keep(new))
                if kept == live and not isinstance(there, Provisional):
                    return Written(body=live, warnings=tuple(warnings))
                if write.dry_run:
                    return Written(body=kept, warnings=tuple(warnings))
                try:
                    kept = self._commit(target, there, kept)
                except Stale:
                    continue  # made anew from what is there now; who insists on a version is refused above
            return Written(body=convert(kept, resource, resource.version), warnings=tuple(warnings))

    def _commit(self, target: Target, old: Body, new: Body) -> Body:
        """Put the new object into the store, or take it out when its last finalizer is gone."""
        key = target.resource.key
        body = dict(stored(new, target.resource))
        if leaving(old) and not finalizers(new) and not old["metadata"].get("deletionGracePeriodSeconds"):
            gone = self._store.remove(key, old, dict(old))  # watchers are told the last state that was stored
            return {**body, "metadata": {**body["metadata"], "resourceVersion": gone["metadata"]["resourceVersion"]}}
        return self._store.replace(key, old, body)

    def _prepared(
        self, form: Form, target: Target, new: dict[str, Any], live: Body, write: Write
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        resource = target.resource
        metadata = new["metadata"] = dict(new["metadata"])
        uid = metadata.get("uid")
        if uid and uid != live["metadata"]["uid"]:
            there = live["metadata"]["uid"]
            raise target.conflict(f"Precondition failed: UID in precondition: {uid}, UID in object meta: {there}")
        place(metadata, namespaced=resource.namespaced, namespace=target.namespace)
        keep_system_fields(metadata, live["metadata"])
        metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
        if target.subresource in {"status", "binding"}:
            new, told = self._mutated(form, target, new, live, write)
            return form.default(new), told
        self._admission.admit(resource, new, live)
        new, told = self._mutated(form, target, new, live, write)
        strategies.prepare_update(resource, new, live)
        new = form.default(new)
        strategies.next_generation(resource, new, live)
        return new, told

    # --- what people let through ------------------------------------------------------------------------------

    def _mutated(
        self, form: Form, target: Target, new: dict[str, Any], live: Body | None, write: Write
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return the object as policies and webhooks changed it, and their warnings. Raises `StatusError`."""
        if (review := _review(target, new, live, write)) is None:
            return new, ()
        verdict = self._dynamic.mutate(review, form.schema)
        return (new if verdict.body is new else form.hold(verdict.body or new)), verdict.warnings

    def _permitted(self, target: Target, new: Body, live: Body | None, write: Write) -> tuple[str, ...]:
        """Return the warnings of policies and webhooks. Raises `StatusError` when one refuses."""
        review = _review(target, new, live, write)
        return self._dynamic.validate(review) if review is not None else ()

    def _tracked(self, form: Form, target: Target, live: Body, new: dict[str, Any], write: Write) -> dict[str, Any]:
        """Return `new` without the changes that its door does not let through, and with its owners."""
        if target.subresource:
            new = through_door(target, live, new)
        elif target.resource.has_status:
            if "status" in live:
                new["status"] = live["status"]
            else:
                new.pop("status", None)
        metadata = {**new["metadata"]}
        for name in ("uid", "creationTimestamp", "generation"):
            if name in live["metadata"]:
                metadata.setdefault(name, live["metadata"][name])
        return dict(self._owned(form, target.resource, live, {**new, "metadata": metadata}, write, target.subresource))

    def _owned(
        self, form: Form, resource: Resource, live: Body | None, new: Body, write: Write, subresource: str = ""
    ) -> Body:
        return merge.update(
            form.schema,
            live,
            new,
            manager=write.manager,
            api_version=resource.api_version,
            now=self._clock(),
            subresource=subresource,
        )

    def _validate(self, form: Form, resource: Resource, new: Body, old: Body | None, name: str) -> None:
        causes = [*form.check(new, old), *check(resource, new, old)]
        if causes:
            raise invalid(resource.group, resource.kind, name, causes)


def _review(target: Target, new: Body, live: Body | None, write: Write) -> Review | None:
    if write.user is None:
        return None
    metadata = new["metadata"]
    return Review(
        operation=Operation.CREATE if live is None else Operation.UPDATE,
        resource=target.resource,
        namespace=metadata.get("namespace", ""),
        name=str(metadata.get("name") or ""),
        user=write.user,
        body=new,
        old=live,
        subresource=target.subresource,
        dry_run=write.dry_run,
    )
