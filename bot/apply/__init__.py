"""Carry out a plan: stages, inventory, prune."""
