"""A stand-in for Opsgenie and Jira Service Management alerts, on the wire."""

from bot.sandbox.oncall.alerts import Alert
from bot.sandbox.oncall.service import OncallService

__all__ = ["Alert", "OncallService"]
