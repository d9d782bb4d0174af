"""What the API server warns of when it takes an object: deprecated versions, pod security, policies that only warn.

Pure. In comes the header `Warning`, several of them joined by commas (RFC 7234, 5.5, as KEP-1693 uses it).
"""

from __future__ import annotations

import re
from typing import Final

_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")


def warnings_in(header: bytes) -> tuple[str, ...]:
    """Return the texts of a header in their order; what is no warning of an API server is left out."""
    return tuple(_ESCAPED.sub(r"\1", text) for text in _WARNING.findall(header.decode(errors="replace")))
