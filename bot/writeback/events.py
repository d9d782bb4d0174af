"""CloudEvents (1.0, structured JSON): what webhooks and functions hear of an app. Pure.

An event that is sent twice keeps its `id`: who must not act twice drops the second. Its extension `traceparent` names
the operation it comes of, where traces are kept (CloudEvents, Distributed Tracing).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from bot.model.announcement import WriteBack

_DESCRIPTION_LIMIT: Final = 20_000  # characters; Lambda takes 256 KB, a thousand broken files fill them


def facts(back: WriteBack) -> Mapping[str, Any]:
    """Return what happened to an app, without whose event it is."""
    return {
        "app": back.app,
        "cluster": back.cluster,
        "env": back.env,
        "operation": back.operation,
        "commit": back.commit,
        "event": back.event,
        "description": back.description[:_DESCRIPTION_LIMIT],
        "url": back.url,
        "digest": back.digest,
        "summary": str(back.summary or ""),
        "fault": back.fault,
    }


def cloud_event(back: WriteBack, *, origin: str = "") -> bytes:
    """Return the event as JSON, the same bytes each time; `origin` is the `traceparent` of its operation."""
    event = CloudEvent(
        attributes={
            "id": back.id,
            "source": f"/gitops-bot/{back.cluster}/{back.app}",
            "type": f"io.gitops-bot.{back.event}.v1",
            "specversion": "1.0",
            "time": back.at,
            "subject": back.commit,
            "datacontenttype": "application/json",
            **({"traceparent": origin} if origin else {}),
        },
        data=dict(facts(back)),
    )
    return JSONFormat().write(event)
