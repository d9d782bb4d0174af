"""What reading a text ends in: documents, each with its line, and problems, each with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """One document: the line it begins on, counted from 1, its value, and the lines of the entries of `items`."""

    line: int
    value: Any
    item_lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TextProblem:
    """Something wrong with the text, at a line counted from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Reading:
    """All documents that could be read, empty ones left out, and every problem. With problems, trust no document."""

    documents: tuple[Document, ...]
    problems: tuple[TextProblem, ...]

    def trusted(self) -> Iterator[Document]:
        """Yield the documents that no problem is in: what is wrong with the others may follow from the problem."""
        ends = [document.line for document in self.documents[1:]]
        for document, end in zip_longest(self.documents, ends):
            if not any(document.line <= one.line and (end is None or one.line < end) for one in self.problems):
                yield document
