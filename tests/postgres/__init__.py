"""A real PostgreSQL server for the suites of the state store."""
