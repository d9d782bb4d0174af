"""The API server: discovery, reads, server-side apply, delete, ownership, masking, watches."""
