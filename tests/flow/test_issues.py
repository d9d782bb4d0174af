"""The issues that commits name, told by the real bot."""

from __future__ import annotations

from collections.abc import Callable

from tests.flow.office import Office
from tests.waiting import until
from tests.writeback.jira import TOKEN, Jira

Offices = Callable[..., Office]


def test_issue_hears_that_its_commit_is_live_and_that_it_was_taken_back(offices: Offices) -> None:
    with Jira(["SHOP-12", "SHOP-13"]) as jira:
        entry = f"{{type: jira, url: '{jira.url}', projects: [SHOP], envs: [staging], transition: Released, "
        office = offices(more=f"writebacks: [{entry} token_env: JIRA_TOKEN}}]", JIRA_TOKEN=TOKEN)
        base = office.open()
        commit = office.commit("debug", message="Make it brighter\n\nSHOP-12", payments="info", docs="info")
        until(lambda: jira.title("SHOP-12", "prod/shop") == f"shop / staging: live at {commit[:7]}")
        until(lambda: jira.issues["SHOP-12"].status == "Released")
        assert set(jira.issues["SHOP-12"].links) == {"gitops-bot:prod/shop"}, "the commit is about one app"
        code, text = office.bot.run("rollback", "shop", base)
        assert code == 0, text
        until(lambda: "taken back" in jira.title("SHOP-12", "prod/shop"))
        assert not jira.issues["SHOP-13"].links
