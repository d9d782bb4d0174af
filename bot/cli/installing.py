"""The commands around an installation: run, check, rbac, config, slack."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TextIO

import yaml

from bot.cli.exits import ERROR, OK
from bot.cli.terminal import config_path, configuration, engine, tracer, write_json
from bot.errors import Problem, UsageError
from bot.plan.rights import roles
from bot.settings import base_url, schema
from bot.wiring import untraced


def run(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.cli.serve import serve  # imported late: only the bot pays for Slack and HTTP

    return serve(lambda: configuration(arguments), tracer=tracer())


def check(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.cli.checking import addresses, check_all, ending

    with engine(arguments) as built:
        problems, end = check_all(built, page=arguments.page), ending(built)
        reached = addresses(built.configuration)
    notice = f"{end.message} {end.next_step}" if end is not None else ""
    if end is not None and end.is_over:
        problems = (*problems, Problem(message=notice, subject="on-call"))
    warnings = [notice] if end is not None and not end.is_over else []
    if why := untraced(os.environ):
        warnings.append(f"tracing is off: {why}")
    if arguments.output == "json":
        found = [{"subject": p.subject, "message": p.message, "where": p.where} for p in problems]
        write_json(out, {"problems": found, "warnings": warnings, "addresses": reached})
        return ERROR if problems else OK
    out.writelines(f"warning: {one}\n" for one in warnings)
    if problems:
        out.write("\n".join(f"{one.subject + ': ' if one.subject else ''}{one}" for one in problems) + "\n")
    else:
        out.write("everything answers\n")
    out.writelines(f"address for {what}: {url}\n" for what, url in reached.items())
    return ERROR if problems else OK


def rbac(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.cli.checking import rights_of

    if arguments.subject.count("/") != 1 or not all(arguments.subject.split("/")):
        raise UsageError(f"--subject {arguments.subject}: write NAMESPACE/NAME of the bot's service account")
    with engine(arguments, speaks=False) as built:
        names = [arguments.cluster] if arguments.cluster else [*built.world.clusters]
        if unknown := [name for name in names if name not in built.world.clusters]:
            raise UsageError(f"there is no cluster {unknown[0]}: one of {', '.join(built.world.clusters)}")
        found = {name: rights_of(built, name) for name in names}
    for name, (grants, problems) in found.items():
        out.write(f"# cluster {name}\n")
        for one in problems:
            sys.stderr.write(f"{one}\n")
        title = f"gitops-bot-{built.configuration.settings.instance}"
        out.write(yaml.safe_dump_all(roles(grants, subject=arguments.subject, name=title), sort_keys=False))
        out.write("---\n" if name != names[-1] else "")
    return ERROR if any(problems for _, problems in found.values()) else OK


def config(arguments: argparse.Namespace, out: TextIO) -> int:
    write_json(out, schema())
    return OK


def slack(arguments: argparse.Namespace, out: TextIO) -> int:
    from bot.chat.manifest import manifest

    url, path = arguments.url, config_path(arguments.config)
    if arguments.mode == "http" and not url and (arguments.config or path.exists()):
        url = base_url(path, os.environ)
    if arguments.mode == "http" and not url:
        raise UsageError("slack manifest --mode http needs --url, or server.base_url: where Slack reaches the bot")
    write_json(out, manifest(mode=arguments.mode, url=url))
    return OK
