"""How objects are, by kind; waiting for them on watch events."""
