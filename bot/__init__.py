"""A Slack bot that keeps Kubernetes clusters equal to Git."""
