"""The services that are told things: on-call providers, and the targets of write-backs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from bot.errors import DeliveryFailed, SourceError
from bot.model.announcement import WriteBack
from bot.ports.tracing import UNTRACED, Tracer
from bot.settings import Configuration
from bot.tracing import switch
from bot.wiring.githosts import git_host

if TYPE_CHECKING:  # a command that only looks does not pay for what only the running bot needs
    from bot.oncall.alerts import AlertApi
    from bot.wiring.engine import Engine
    from bot.writeback.sink import Target


def alert_api(configuration: Configuration, provider: str, host: str, variable: str) -> AlertApi:
    """Build the way to the alert calls of a provider; each team may have a key of its own."""
    from bot.oncall.alerts import AlertApi  # imported late: the SDK takes a while

    return AlertApi(
        provider=provider,
        host=host,
        key_for=lambda team: configuration.secret(variable, suffix=team),
        setting=variable,
    )


def write_back_targets(engine: Engine) -> list[Target]:
    """Return the targets in the order of the configuration."""
    from bot.writeback.functions import LambdaTarget
    from bot.writeback.hooks import WebhookTarget
    from bot.writeback.issues import JiraTarget, Tracker
    from bot.writeback.pipelines import Gate, SpinnakerTarget
    from bot.writeback.statuses import CommitStatusTarget

    configuration = engine.configuration
    targets: list[Target] = []
    for one in configuration.settings.writebacks:
        match one.type:
            case "commit-status":
                targets.append(CommitStatusTarget(git_host(configuration, one)))
            case "jira":
                token = configuration.secret(one.token_env)
                tracker = Tracker(url=one.url, projects=one.projects, token=token, transition=one.transition)
                targets.append(JiraTarget(tracker, messages=partial(_messages, engine)))
            case "webhook":
                secret = configuration.secret(one.secret_env)
                targets.append(WebhookTarget(url=one.url, secret=secret, tracer=engine.tracer))
            case "lambda":
                made = LambdaTarget(
                    function=one.function, region=one.place, endpoint_url=one.endpoint_url, tracer=engine.tracer
                )
                targets.append(made)
            case "spinnaker":
                gate = Gate(
                    url=one.url,
                    source=one.source,
                    secret=configuration.secret(one.secret_env),
                    token=configuration.secret(one.token_env),
                    header=one.token_header,
                )
                repository = partial(_repository, engine)
                targets.append(SpinnakerTarget(gate, repository=repository, tracer=engine.tracer))
    return targets


def _messages(engine: Engine, back: WriteBack) -> tuple[str, ...]:
    """Return what the commits say that a sync brought, or that a rollback took away. Raises `DeliveryFailed`."""
    key = f"{back.cluster}/{back.app}"
    if not back.previous or key not in engine.passes.apps:
        return ()
    app = engine.passes.apps[key]
    ends = (back.commit, back.previous) if back.event == "rolled-back" else (back.previous, back.commit)
    try:
        return engine.world.repos[app.repo].messages(*ends, paths=engine.world.renderer.roots(app))
    except SourceError as error:
        raise DeliveryFailed(str(error), retry_after_seconds=5.0 if error.transient else None) from error


def _repository(engine: Engine, back: WriteBack) -> str:
    """Return where others can fetch the files of an app from, "" where only we can."""
    app = engine.passes.apps.get(f"{back.cluster}/{back.app}")
    specs = {spec.name: spec for spec in engine.configuration.repos}
    return specs[app.repo].address if app is not None and specs[app.repo].local_path is None else ""


def build_tracer(environment: Mapping[str, str]) -> Tracer:
    """Return who keeps traces, as the standard variables of OpenTelemetry say; `UNTRACED` where they say nothing."""
    if not switch.is_wanted(environment) or switch.obstacle(environment):
        return UNTRACED
    from bot.tracing.tracer import OtlpTracer

    return OtlpTracer(collector=switch.collector(environment))


def untraced(environment: Mapping[str, str]) -> str:
    """Return why there are no traces although the environment asks for them, and what to do; "" otherwise."""
    return switch.obstacle(environment) if switch.is_wanted(environment) else ""


def collector_trouble(environment: Mapping[str, str]) -> str:
    """Try the collector that the environment names; return what is wrong with it, "" where none is wanted."""
    if not switch.is_wanted(environment) or switch.obstacle(environment):
        return ""
    from bot.tracing.spans import trouble

    try:
        return trouble(collector=switch.collector(environment))
    except (ValueError, OSError, RuntimeError) as error:
        return f"the variables of OpenTelemetry are wrong: {error}"
