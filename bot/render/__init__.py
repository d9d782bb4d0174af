"""Bytes to objects, with every problem at once as file:line."""

from bot.render.checkout import CommitFiles
from bot.render.renderer import Renderer

__all__ = ["CommitFiles", "Renderer"]
