"""Is a cluster equal to a commit? The answer with its proof: what was compared, and against which record."""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.plan import Plan
from bot.model.source import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """`rendered` is the digest of the objects a commit renders, `live` that of the fields we own on the cluster.

    `live` is keyed with the installation's key, because Secrets are among the fields, and "" where an object differs.
    """

    commit: str
    rendered: str
    live: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """`plan` would make the cluster equal to the commit; `recorded` is the proof of the last convergence."""

    revision: Revision
    plan: Plan
    found: Proof
    recorded: Proof

    @property
    def differences(self) -> tuple[str, ...]:
        """Return what is not as it should be, each as a sentence; none when the cluster equals the commit."""
        changes = [change for change in (*self.plan.writes, *self.plan.blocked) if not change.hook]
        said = [f"{change.id}: {change.why}" for change in changes]
        same_commit = self.found.commit == self.recorded.commit
        if same_commit and self.found.rendered != self.recorded.rendered:
            said.append("the commit renders other objects than it did when it converged: a chart or a tool has changed")
        return tuple(said)

    @property
    def is_as_recorded(self) -> bool:
        """True when commit, rendered objects and live fields are those of the last convergence."""
        return self.found == self.recorded
