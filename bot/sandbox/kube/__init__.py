"""A Kubernetes API server on loopback, for the demo and the fast tests."""
