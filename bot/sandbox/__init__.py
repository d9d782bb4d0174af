"""Wire-level stand-ins for Slack, the on-call service and a Kubernetes API server."""
