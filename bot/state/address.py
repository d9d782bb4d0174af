"""The address of the state store, checked before anything is opened."""

from __future__ import annotations

import sqlalchemy as sa


def fault(url: str) -> str:
    """Return what is wrong with a URL, without its password; "" for one that may be opened."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return "the URL is no SQLAlchemy URL, such as sqlite:///gitops-bot.db"
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        return f"{shown} is neither sqlite:/// nor postgresql+psycopg://"
    try:
        parsed.get_dialect().import_dbapi()
    except sa.exc.NoSuchModuleError:
        return f"{shown} names no driver: write sqlite:/// or postgresql+psycopg://"
    except ImportError as error:
        how = "write postgresql+psycopg:// and pip install 'gitops-bot[postgres]'"
        return f"{shown}: the driver {error.name} is not installed: {how}"
    return ""
