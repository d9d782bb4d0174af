"""The configuration file and the environment as one frozen value, or every problem at once."""

from bot.settings.load import Configuration, load, schema
from bot.settings.model import Settings

__all__ = ["Configuration", "Settings", "load", "schema"]
