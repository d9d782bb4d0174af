"""Opsgenie, Jira Service Management and webhooks: open, note and close pages."""
