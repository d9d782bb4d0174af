"""Fixtures for every suite."""

pytest_plugins = ["tests.controlplane.fixtures", "tests.postgres.fixtures"]
