"""The configured admission of the cluster as one thing: what changes a request, then what may refuse it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.sandbox.kube.dynamic.mutations import MutatingPolicies
from bot.sandbox.kube.dynamic.policies import ValidatingPolicies
from bot.sandbox.kube.dynamic.review import Review
from bot.sandbox.kube.dynamic.webhooks import Verdict, Webhooks
from bot.sandbox.kube.kinds import KindTable
from bot.sandbox.kube.merge import Schema
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Store


class DynamicAdmission:
    """Thread-safe. Holds no lock while a webhook is asked."""

    def __init__(self, store: Store, kinds: Callable[[], KindTable]) -> None:
        self._store = store
        self._mutating = MutatingPolicies(store, kinds)
        self._validating = ValidatingPolicies(store, kinds)
        self._mutators = Webhooks(store, mutating=True)
        self._validators = Webhooks(store, mutating=False)

    def mutate(self, review: Review, schema: Schema | None) -> Verdict:
        """Return the object as policies and then webhooks changed it, and warnings. Raises `StatusError`.

        A deletion has no object and no `schema`: webhooks may refuse it.
        """
        namespace = self._namespace(review)
        if schema is not None:
            review = replace(review, body=self._mutating.mutate(review, namespace, schema))
        return self._mutators.ask(review, namespace)

    def validate(self, review: Review) -> tuple[str, ...]:
        """Return warnings of policies and webhooks. Raises `StatusError` for the first refusal."""
        namespace = self._namespace(review)
        warnings = tuple(self._validating.validate(review, namespace))
        return (*warnings, *self._validators.ask(review, namespace).warnings)

    def _namespace(self, review: Review) -> Body | None:
        return self._store.get("namespaces", "", review.namespace) if review.namespace else None
