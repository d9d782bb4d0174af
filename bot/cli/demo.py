"""The `demo` command: its options checked, the world started."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, TextIO

from bot.errors import UsageError
from bot.sandbox.demo.command import demo as play
from bot.sandbox.demo.world import Options

_LAST_PORT: Final = 65_535


def demo(arguments: argparse.Namespace, out: TextIO) -> int:
    """Run the demo until Ctrl-C. Raises `UsageError` for options that do not go together."""
    if bool(arguments.repo) is not bool(arguments.path):
        raise UsageError("--repo and --path go together: the repository, and the folder in it to deploy")
    if ".." in arguments.path.split("/"):
        raise UsageError(f"--path: {arguments.path} leaves the repository: write it relative to its root")
    if arguments.port is not None and not 0 <= arguments.port <= _LAST_PORT:
        raise UsageError(f"--port: {arguments.port} is not between 0 and {_LAST_PORT}")
    if arguments.kubeconfig and not Path(arguments.kubeconfig).expanduser().is_file():
        raise UsageError(f"--kubeconfig: there is no file {arguments.kubeconfig}")
    kubeconfig = str(Path(arguments.kubeconfig).expanduser().resolve()) if arguments.kubeconfig else ""
    path = arguments.path.strip("/") or "."
    options = Options(repo_url=arguments.repo, branch=arguments.branch, path=path, kubeconfig=kubeconfig)
    return play(options, port=arguments.port, browser=not arguments.no_browser, out=out)
