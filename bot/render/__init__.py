"""Bytes to objects, with every problem at once as file:line."""
