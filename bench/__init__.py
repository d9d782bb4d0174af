"""The measurements of docs/performance.md: `python -m bench`, on a real control plane with the peers side by side."""
