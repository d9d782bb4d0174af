"""HTTP: Slack in http mode, push and on-call webhooks, health, metrics."""
