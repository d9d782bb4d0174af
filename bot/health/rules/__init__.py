"""One rule per kind family: a body in, a Health out. Pure."""
