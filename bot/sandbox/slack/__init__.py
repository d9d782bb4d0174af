"""A Slack workspace on loopback: the Web API, Socket Mode, HTTP delivery, and people who type and click."""

from bot.sandbox.slack.workspace import SlackWorkspace

__all__ = ["SlackWorkspace"]
