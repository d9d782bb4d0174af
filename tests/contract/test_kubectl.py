"""What kubectl prints, the same on the sandbox and on the real API server.

Each file in `transcripts` is a session in a shell, in a namespace of its own: a command after `$ `, its further lines
after `> `, then what it printed. `--write-golden` writes them anew from the real server.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.contract.servers import Server
from tests.controlplane.building import build
from tests.waiting import until

pytestmark = pytest.mark.cluster

TRANSCRIPTS: Final = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
# What differs between any two clusters, and what stands for it in a transcript.
_STANDS_FOR: Final = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b10\.0\.\d+\.\d+", "ADDRESS"),
    (r"-[0-9a-z]{8,10}-[0-9a-z]{5}\b", "-HASH-RANDOM"),
    (r'(resourceVersion"?: )"\d+"', r"\1VERSION"),
    (r"(?<= )(\d+[dhms])+(?= |$)", "AGE"),
    (r"\b(CLUSTER-IP|ADDRESS|AGE) +", r"\1 "),
    (r"(/tmp/(LIVE|MERGED)-)\d+(\S+).*", r"\1N\3"),
)
# What client-go logs beside the output: a watch that the server ended in time, say.
_LOGGED: Final = re.compile(r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ .*\n", re.MULTILINE)


def commands(text: str) -> Iterator[str]:
    """Return the commands of a transcript."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if lines:
                yield "\n".join(lines)
            lines = [line[2:]]
        elif line.startswith("> "):
            lines.append(line[2:])
    yield "\n".join(lines)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_kubectl_prints(
    server: Server, namespace: str, transcript: Path, tmp_path: Path, write_golden: bool, request: pytest.FixtureRequest
) -> None:
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    until(lambda: server.request("GET", account)["items"], "the namespace has its account")
    config = json.loads(Path(server.kubeconfig).read_text(encoding="utf-8"))
    config["contexts"][0]["context"]["namespace"] = namespace
    (tmp_path / "kubeconfig").write_text(json.dumps(config), encoding="utf-8")
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "PATH": f"{build()}:{os.environ['PATH']}"}
    expected = transcript.read_text(encoding="utf-8")
    printed = []
    for command in commands(expected):
        done = subprocess.run(
            ["bash", "-c", command.replace("NAMESPACE", namespace)],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        first, *further = command.split("\n")
        printed += [f"$ {first}", *(f"> {line}" for line in further), comparable(done.stdout, namespace)]
    found = "\n".join(filter(None, printed)) + "\n"
    if write_golden and request.node.callspec.params["server"] == "real":
        transcript.write_text(found, encoding="utf-8")
    else:
        different = difflib.unified_diff(
            expected.splitlines(), found.splitlines(), "transcript", "printed", lineterm=""
        )
        assert not (shown := "\n".join(different)), shown


def comparable(text: str, namespace: str) -> str:
    text = _LOGGED.sub("", text).replace(namespace, "NAMESPACE")
    for pattern, name in _STANDS_FOR:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
