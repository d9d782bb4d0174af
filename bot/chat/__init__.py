"""Slack: commands in, messages out."""
