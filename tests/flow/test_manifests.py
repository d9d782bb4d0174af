"""What `manifests/` installs: taken by the API server, and with exactly the rights that its configuration needs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import yaml

from tests.flow.bot_process import BotProcess
from tests.flow.story import Story, configmap, deployment

FOLDER: Final = Path(__file__).parents[2] / "manifests"
SHOP: Final = {
    "apps/shop/a.yaml": configmap("info"),
    "apps/shop/b.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {password: canary}\n",
    "apps/shop/c.yaml": deployment("registry.example/api:1.0"),
    "apps/shop/d.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {ports: [{port: 80}]}\n",
}


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


def test_roles_are_what_the_bot_prints_for_its_configuration(tell: Callable[..., Story], tmp_path: Path) -> None:
    """To write them anew, put what is printed in place of the documents of `manifests/rbac.yaml`."""
    story = tell()
    story.upstream.commit(SHOP)
    (settings,) = (one for one in documents("bot.yaml") if one["kind"] == "ConfigMap")
    configuration = yaml.safe_load(settings["data"]["gitops-bot.yaml"])
    configuration["clusters"] = [{"name": "here", "kubeconfig": story.plane.kubeconfig}]
    configuration["repos"][0]["url"] = str(story.upstream.path)
    del configuration["server"], configuration["state"]
    folder = tmp_path / "installed"
    folder.mkdir()
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    with closing(BotProcess(folder, yaml.safe_dump(configuration), tokens)) as bot:
        code, printed = bot.run("rbac")
    assert code == 0, printed
    assert documents("rbac.yaml") == list(yaml.safe_load_all(printed)), printed


def test_bot_can_be_installed_by_itself(tell: Callable[..., Story]) -> None:
    story = tell(mode='"off"')
    names = ("bot.yaml", "rbac.yaml")
    story.upstream.commit({f"apps/shop/{name}": (FOLDER / name).read_text(encoding="utf-8") for name in names})
    code, printed = story.bot.run("sync")
    assert code == 0, printed
    assert "created Deployment gitops-bot/gitops-bot" in printed
