"""What must survive a restart, on SQLite or PostgreSQL."""
