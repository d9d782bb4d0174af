"""Wire-level stand-ins for Slack and the on-call service."""
