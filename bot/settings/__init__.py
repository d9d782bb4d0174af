"""The configuration file and the environment as one frozen value, or every problem at once."""

from bot.settings.load import Configuration, base_url, load
from bot.settings.model import Settings
from bot.settings.schema import schema

__all__ = ["Configuration", "Settings", "base_url", "load", "schema"]
