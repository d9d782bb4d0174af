"""An error that ends a pass, as part of its story. Pure."""

from __future__ import annotations

from bot.errors import PassError, RenderError
from bot.model.outcome import Failure
from bot.reconcile.notify.fingerprint import neighbour


def failure_of(error: PassError) -> Failure:
    """Return a pass-level error as part of the story."""
    if isinstance(error, RenderError):
        count = len(error.problems)
        what = "1 problem" if count == 1 else f"{count} problems"
        return Failure(message=f"the commit cannot be used: {what}", problems=error.problems)
    return Failure(message=str(error), transient=error.transient, neighbour=neighbour(error))
