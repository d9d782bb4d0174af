"""What containers write, made up from image and times: a start, some work, and for a crash the last words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers.containers import Status
from bot.sandbox.kube.controllers.images import Fate, Images
from bot.sandbox.kube.controllers.objects import moment, name_of, spec_of, status_of
from bot.sandbox.kube.errors import bad_request
from bot.sandbox.kube.ports import Body

Line = tuple[datetime, str]

FATAL: Final = "FATAL cannot reach the database: dial tcp 10.0.0.53:5432: connect: connection refused"
_FAILED: Final = "ERROR migration 0042_add_orders_index failed: duplicate key value violates unique constraint"


def lines(pod: Body, container: str, *, previous: bool, images: Images) -> Sequence[Line]:
    """Return the lines of a container with their times. Raises what the API server answers when there are none."""
    spec = _spec(pod, container)
    status = _status(pod, container)
    state: Mapping[str, Any] = (status.get("lastState") if previous else status.get("state")) or {}
    ran = state.get("running") or state.get("terminated")
    if ran is None and not previous:
        ran = (status.get("lastState") or {}).get("terminated")
    if ran is None:
        where = f'container "{container}" in pod "{name_of(pod)}"'
        if previous:
            raise bad_request(f"previous terminated {where} not found")
        reason = (state.get("waiting") or {}).get("reason") or "ContainerCreating"
        pulling = reason in ("ErrImagePull", "ImagePullBackOff")
        raise bad_request(f"{where} is waiting to start: {'trying and failing to pull image' if pulling else reason}")
    image = str(spec.get("image"))
    written = _written(container, image, images.fate(image), spec, ended="finishedAt" in ran)
    at = moment(str(ran["startedAt"]))
    return tuple((at + timedelta(milliseconds=40 * number), text) for number, text in enumerate(written))


def _written(container: str, image: str, fate: Fate, spec: Mapping[str, Any], *, ended: bool) -> Iterator[str]:
    name, _, tag = image.rpartition("/")[2].partition(":")
    yield f"INFO  starting {container} ({name} {tag or 'latest'})"
    yield "INFO  configuration loaded"
    match fate:
        case Fate.CRASHES:
            yield "INFO  connecting to postgres at 10.0.0.53:5432"
            yield "WARN  connection refused, retrying in 1s"
            yield FATAL
        case Fate.FAILS:
            yield "INFO  applying 42 migrations"
            yield _FAILED
        case Fate.NEVER_READY:
            yield "WARN  warming up the cache: 0 of 1200000 entries, not ready yet"
        case _ if ended:
            yield "INFO  done"
        case _:
            for port in spec.get("ports") or ():
                yield f"INFO  listening on :{port.get('containerPort')}"
            yield "INFO  ready"


def _spec(pod: Body, container: str) -> Mapping[str, Any]:
    all_of = (*(spec_of(pod).get("initContainers") or ()), *(spec_of(pod).get("containers") or ()))
    for one in all_of:
        if one.get("name") == container:
            found: Mapping[str, Any] = one
            return found
    raise bad_request(f"container {container} is not valid for pod {name_of(pod)}")


def _status(pod: Body, container: str) -> Status:
    status = status_of(pod)
    all_of = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return next((one for one in all_of if one.get("name") == container), {})
