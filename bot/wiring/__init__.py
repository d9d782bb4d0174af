"""The composition root: a configuration in, every part of the bot out, built and connected. The only place that does.

Nothing is contacted while building: the bot starts with Slack, Git, the clusters and the on-call service down.
"""

from bot.wiring.engine import Engine, build_engine
from bot.wiring.outward import (
    alert_api,
    build_tracer,
    collector_trouble,
    untraced,
    write_back_targets,
)
from bot.wiring.running import build_courier, build_heartbeat, build_loop, notice_of, order_threads, send_again
from bot.wiring.values import oncall_providers, rules

__all__ = [
    "Engine",
    "alert_api",
    "build_courier",
    "build_engine",
    "build_heartbeat",
    "build_loop",
    "build_tracer",
    "collector_trouble",
    "notice_of",
    "oncall_providers",
    "order_threads",
    "rules",
    "send_again",
    "untraced",
    "write_back_targets",
]
