"""The digest of what Git wants, as others see it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from bot.model.digests import keyed
from bot.model.outcome import Result
from bot.reconcile.planning.world import rendered
from bot.render.documents import digest_of
from tests.contract.engine import EngineWorld
from tests.contract.manifests import job, secret


def test_digest_cannot_be_made_without_the_key_and_early_ones_still_count(worlds: Callable[..., EngineWorld]) -> None:
    """A plain digest in a webhook let anybody check a guess at a password."""
    world = worlds()
    commit = world.commit({"a.yaml": secret("key", "guessable"), "b.yaml": job("after", hook="post-sync")})
    assert world.sync().result is Result.CONVERGED
    bodies = rendered(world.spec(), commit, world.engine.world).manifests
    plain = f"sha256:{hashlib.sha256(b''.join(sorted(map(digest_of, bodies)))).hexdigest()}"
    (entry,) = world.engine.desk.history("prod/shop", 1)
    store = world.engine.store
    assert entry.digest == world.memory().digest == keyed(plain, store.key()) != keyed(plain, b"another")

    store.save_pass(replace(world.memory(), digest=plain), history=replace(entry, digest=plain))
    assert world.memory().digest == entry.digest
    assert {one.digest for one in world.engine.desk.history("prod/shop", 5)} == {entry.digest}
    world.restart()
    assert world.planned().writes == ()  # the hook would run once more for another rendering
