"""What a collector of traces gets of orders to delete, and of messages about several apps."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.collector import Collector, Seen, tree
from tests.flow.story import Story, configmap
from tests.waiting import until

Tell = Callable[..., Story]


def traces(collector: Collector, name: str) -> list[list[Seen]]:
    """Return the traces whose first span has the name, in the order in which they began."""
    spans = collector.spans()
    roots = [one for one in spans if not one.parent and one.name == name]
    return [[one for one in spans if one.trace == root.trace] for root in roots]


def test_order_to_delete_is_a_trace_from_the_terminal_to_the_message(tell: Tell) -> None:
    with Collector() as collector:
        story = tell(app="interval: 1h", **collector.environment())
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        story.bot.start()
        story.sees("Converged")
        status, asked = story.bot.run("delete", "shop")
        assert status == 4
        (confirm,) = re.findall(r"--confirm (\S+)", asked)
        assert story.bot.run("delete", "shop", "--confirm", confirm)[0] == 0
        story.sees("Deleted")
        (refused, deleted) = until(
            lambda: found if len(found := traces(collector, "DELETE shop")) == 2 and len(found[1]) == 6 else []
        )
        assert tree(refused) == "DELETE shop\n  pass\n    plan"
        assert tree(deleted) == "DELETE shop\n  pass\n    plan\n    apply\n      prune\n  deliver slack"
        first, second = refused[0], deleted[0]
        assert (first.facts["gitops_bot.result"], first.facts["cicd.pipeline.result"]) == ("refused", "skip")
        assert (second.facts["gitops_bot.result"], second.facts["cicd.pipeline.result"]) == ("converged", "success")
        assert second.facts["cicd.pipeline.action.name"] == "DELETE"
        assert second.facts["gitops_bot.objects.delete"] == 1
        assert not [name for name in second.facts if name.startswith("vcs.")]


def test_message_about_several_apps_links_to_each_and_names_none(tell: Tell) -> None:
    """It was told as one of an app with the name `3 apps`: as many values as there are numbers."""
    with Collector() as collector:
        others = "".join(
            f"  - {{name: app{number}, repo: fleet, path: apps/app{number}, cluster: prod, namespace: NAMESPACE,"
            f" interval: 1h}}\n"
            for number in (1, 2)
        )
        story = tell(app="interval: 1h", apps=others, **collector.environment())
        story.bot.configure(lambda text: text.replace("NAMESPACE", story.namespace))
        files = {"apps/shop/a.yaml": "shop", "apps/app1/a.yaml": "one", "apps/app2/a.yaml": "two"}
        bad = "nonsense: one\n"
        story.upstream.commit({path: configmap("info").replace("settings", name) + bad for path, name in files.items()})
        story.bot.start()
        story.sees("Sync failed", "3 apps")

        def told() -> list[Seen]:
            """Return the newest delivery of the message about all of them."""
            return [one for one in collector.spans() if one.facts.get("gitops_bot.apps") == 3][-1:]

        (spoken,) = until(told)
        assert "gitops_bot.app" not in spoken.facts
        roots = {one.trace for one in collector.spans() if not one.parent}
        assert spoken.trace in roots
        assert {spoken.trace, *spoken.links} == roots
        apps = {one.facts["gitops_bot.app"] for one in collector.spans() if "gitops_bot.app" in one.facts}
        assert apps == {"prod/shop", "prod/app1", "prod/app2"}
