"""Commit statuses, links on issues and signed CloudEvents: the callbacks of convergence."""
