"""Git: fetch, read a tree as bytes, history; push events of each host."""
