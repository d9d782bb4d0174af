"""Runs the decisions: one thread, woken by changes of the cluster and by a heap of due times. Idle costs nothing.

What changes between two decisions is taken in before the next one, so that each sees the writes of those before it.
"""

from __future__ import annotations

import heapq
import itertools
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from bot.sandbox.kube.controllers.decision import Create, Delete, Patch, Tell, Update, Write
from bot.sandbox.kube.controllers.recorder import Recorder
from bot.sandbox.kube.controllers.registry import BESIDE, Decide
from bot.sandbox.kube.controllers.relations import related
from bot.sandbox.kube.controllers.view import Key, Trouble, View, key_of
from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.ports import Body, Cluster, Event, EventType

_log = logging.getLogger(__name__)
# First wait after a write that was refused, doubled to the last; client-go's workqueue begins faster and ends slower.
_RETRY: Final = timedelta(milliseconds=100)
_MOST_ROUNDS: Final = 1000  # decisions about one object in one turn; a rollout of a hundred Pods takes some hundreds
_LAST_RETRY: Final = timedelta(seconds=60)


class Runner:
    """Watches, decides, writes. Every method but `wake` and `close` belongs to one thread."""

    def __init__(self, cluster: Cluster, deciders: Mapping[str, tuple[Decide, ...]]) -> None:
        self.deciders = deciders
        self._cluster = cluster
        self._view = View()
        self._recorder = Recorder(cluster)
        self._changes = cluster.watch(*deciders, *BESIDE)
        self._waiting: dict[Key, None] = {}
        self._heap: list[tuple[datetime, int, Key]] = []
        self._due: dict[Key, datetime] = {}
        self._failures: dict[Key, int] = {}
        self._numbers = itertools.count()

    def turn(self, timeout_seconds: float | None) -> None:
        """Wait for a change, at most so long, then do all there is to do by now."""
        self._observe(self._changes.take(timeout_seconds))
        self._look_at_due()
        rounds: Counter[Key] = Counter()
        while self._waiting:
            key = next(iter(self._waiting))
            del self._waiting[key]
            rounds[key] += 1
            if rounds[key] > _MOST_ROUNDS:
                # Two writers that undo each other must not take a processor for it.
                self._call_again(key, self._cluster.now() + _LAST_RETRY)
                continue
            self._decide(key)
            self._observe(self._changes.take(0))
            self._look_at_due()

    def next_due(self) -> datetime | None:
        """Return when the next decision is due although nothing changes."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def again(self, resource: str) -> None:
        """Decide anew about every object of a resource in the next turn."""
        for body in self._view.everywhere(resource):
            self._waiting[key_of(resource, body)] = None

    def wake(self) -> None:
        self._changes.wake()

    def close(self) -> None:
        self._changes.close()

    def _observe(self, events: Sequence[Event]) -> None:
        now = self._cluster.now()
        for event in events:
            # Looked up before the change and after it: what an object left needs to know as well.
            touched = {*related(event.resource, event.before, self._view)} if event.before is not None else set()
            if event.type is EventType.DELETED:
                key = self._view.drop(event.resource, event.object)
                self._due.pop(key, None)
                self._failures.pop(key, None)
            else:
                key = self._view.put(event.resource, event.object, now)
            touched.update(related(event.resource, event.object, self._view))
            for one in (key, *sorted(touched)):
                if one.resource in self.deciders:
                    self._waiting[one] = None

    def _look_at_due(self) -> None:
        now = self._cluster.now()
        while (at := self.next_due()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            self._waiting[key] = None

    def _decide(self, key: Key) -> None:
        # The newest decision alone says when to be asked again.
        self._due.pop(key, None)
        body = self._view.at(key)
        if body is None:
            return
        now = self._cluster.now()
        waits: list[timedelta] = []
        trouble = self._view.trouble(key)
        held = trouble is not None and now < trouble.until
        try:
            for decide in self.deciders[key.resource]:
                decision = decide(body, self._view, now)
                for write in decision.writes:
                    if held and isinstance(write, Create):
                        break
                    self._execute(write, now)
                if decision.again_in is not None:
                    waits.append(decision.again_in)
                if decision.writes:
                    # What came of it brings the key back, and the other decisions see it then.
                    break
            self._failures.pop(key, None)
            if held and trouble is not None:
                waits.append(trouble.until - now)
            elif trouble is not None:
                self._view.note_trouble(key, None)
                self._waiting[key] = None
        except _CreateRefused as error:
            self._note_trouble(key, body, str(error), now)
        except StatusError as error:
            _log.debug("%s %s/%s: %s", key.resource, key.namespace, key.name, error)
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            waits = [_back_off(failures)]
        except Exception:  # noqa: BLE001 a bug in one decision must not stop the life of all others
            _log.exception("sandbox controller failed on %s %s/%s", key.resource, key.namespace, key.name)
            waits = [_LAST_RETRY]
        if waits:
            self._call_again(key, now + min(waits))

    def _execute(self, write: Write, now: datetime) -> None:
        match write:
            case Create():
                try:
                    self._cluster.create(write.resource, write.body, manager=write.manager)
                except StatusError as error:
                    if error.reason != "AlreadyExists":
                        raise _CreateRefused(_as_generated(error.message, write.body)) from error
            case Update():
                self._cluster.update(write.resource, write.body, manager=write.manager, subresource=write.subresource)
            case Patch():
                self._cluster.patch(
                    write.resource,
                    write.namespace,
                    write.name,
                    write.patch,
                    manager=write.manager,
                    subresource=write.subresource,
                )
            case Delete():
                self._cluster.delete(
                    write.resource,
                    write.namespace,
                    write.name,
                    uid=write.uid,
                    grace_seconds=write.grace_seconds,
                    propagation=write.propagation,
                )
            case Tell():
                self._recorder.record(write, now)

    def _note_trouble(self, key: Key, body: Body, message: str, now: datetime) -> None:
        """Tell of a refused create, and hold further ones back; the controller may say so in its status."""
        known = self._view.trouble(key)
        times = 1 if known is None else known.times + 1
        self._view.note_trouble(key, Trouble(message=message, until=now + _back_off(times), times=times))
        told = f"Error creating: {message}"
        self._recorder.record(
            Tell(about=body, reason="FailedCreate", message=told, component=_component(body), warning=True), now
        )
        self._waiting[key] = None

    def _call_again(self, key: Key, at: datetime) -> None:
        self._due[key] = at
        heapq.heappush(self._heap, (at, next(self._numbers), key))


class _CreateRefused(Exception):
    """The API server did not take a new object; the message says why."""


def _as_generated(message: str, body: Body) -> str:
    """Return a refusal in the words of a server that was to make up the name, as it is for the real controllers."""
    metadata = body["metadata"]
    return message.replace(f'"{metadata["name"]}"', f'"{metadata.get("generateName") or metadata["name"]}"')


def _back_off(times: int) -> timedelta:
    doubled: timedelta = _RETRY * 2 ** min(times - 1, 20)
    return min(doubled, _LAST_RETRY)


def _component(body: Body) -> str:
    return f"{str(body.get('kind')).lower()}-controller"
