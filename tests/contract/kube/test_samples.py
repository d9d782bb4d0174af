"""A sample of every kind people apply: both servers fill in, print and track it alike.

This is where defaults, canonical forms and owners of built-in kinds are held to the real server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from bot.sandbox.kube import recorded
from tests.contract.kube.conftest import NAMESPACE
from tests.contract.kube.servers import APPLY, MERGE, Server, comparable

pytestmark = pytest.mark.cluster

SAMPLES: Final[list[dict[str, Any]]] = list(
    yaml.safe_load_all((Path(__file__).parent / "samples.yaml").read_text(encoding="utf-8"))
)


def paths() -> dict[tuple[str, str], str]:
    """Return where objects of each (apiVersion, kind) are made."""
    found = {}
    for root in ("api", "apis"):
        for group in recorded.discovery()[root]["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                api_version = f"{name}/{version['version']}" if name else version["version"]
                for resource in version["resources"]:
                    scope = f"/namespaces/{NAMESPACE}" if resource["scope"] == "Namespaced" else ""
                    path = f"/{root}/{api_version}{scope}/{resource['resource']}"
                    found[api_version, resource["responseKind"]["kind"]] = path
    return found


PATHS: Final = paths()


def lived(server: Server, sample: dict[str, Any]) -> list[tuple[int, Any]]:
    """Create the sample, apply it, label it, read it and delete it."""
    made = PATHS[sample["apiVersion"], sample["kind"]]
    path = f"{made}/{sample['metadata']['name']}"
    answers = [
        server.send("POST", made, sample, fieldManager="creator"),
        server.send("PATCH", path, sample, media=APPLY, fieldManager="applier", force="true"),
        server.send("PATCH", path, {"metadata": {"labels": {"q": "r"}}}, media=MERGE, fieldManager="patcher"),
        server.send("GET", path),
    ]
    server.send("DELETE", path)
    return [(answer.code, comparable(answer.body)) for answer in answers]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['kind']}-{sample['metadata']['name']}")
def test_sample_is_kept_alike(real: Server, sandbox: Server, sample: dict[str, Any]) -> None:
    here, there = lived(sandbox, sample), lived(real, sample)
    assert [code for code, _ in there] == [201, 200, 200, 200], there[0]
    assert here == there
