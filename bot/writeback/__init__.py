"""Commit statuses and signed CloudEvents: the callbacks of convergence."""
