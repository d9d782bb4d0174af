"""Bytes to objects, with every problem at once as file:line."""

from bot.render.renderer import AutoRenderer, Renderer, YamlRenderer

__all__ = ["AutoRenderer", "Renderer", "YamlRenderer"]
