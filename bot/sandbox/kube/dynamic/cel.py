"""Expressions in CEL, compiled once and evaluated with JSON values.

The language is the library's of the CEL project, an optional dependency that is loaded with the first expression; the
functions that Kubernetes adds are in `functions`. Objects are untyped here, as they are for the real server's policies.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Final

from bot.sandbox.kube.dynamic.functions import FUNCTIONS

_COMPILED: Final = 1_000  # expressions that are kept; a cluster with all of Gateway API's rules has a few hundred
_POLICY: Final = ("object", "oldObject", "request", "params", "namespaceObject", "variables")
_RULE: Final = ("self", "oldSelf")
# Go and C++ word the same troubles in two ways.
_WORDS: Final = (
    (re.compile(r'Key not found in map : "(.*)"'), r"no such key: \1"),
    (re.compile(r"Index error: index=(\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"^divide by zero$"), "division by zero"),
)
_EVALUATION = threading.Lock()  # the library does not say whether its callbacks may run at once


class Uncompiled(Exception):
    """An expression that cannot be compiled, or no library to compile it with."""


class Failed(Exception):
    """An expression that has no value for these variables."""


class Absent(Uncompiled):
    """The library is not installed."""

    def __init__(self) -> None:
        super().__init__("expressions are evaluated where gitops-bot is installed with its extra 'policies'")


def check(expression: str, *, returns: str = "", rule: bool = False) -> str:
    """Return why an expression does not compile to a type, "" when it does or when nothing is there to compile it."""
    try:
        program = _compiled(expression, rule)
    except Absent:
        return ""
    except Uncompiled as error:
        return str(error)
    given = program.return_type().name().lower().replace("<", "(").replace(">", ")")
    inferred = given == "dyn" and "variables." in expression  # a policy's variables have types that are not known here
    return f"must evaluate to {returns} but got {given}" if returns and given != returns and not inferred else ""


def evaluate(expression: str, variables: Mapping[str, Any], *, rule: bool = False) -> Any:
    """Return the JSON value of an expression. Raises `Uncompiled` and `Failed`."""
    program = _compiled(expression, rule)
    names = _RULE if rule else _POLICY
    with _EVALUATION:
        value = program.eval(data={name: variables.get(name) for name in names})
        if value.type().name() == "ERROR":
            raise Failed(_worded(str(value.plain_value())))
        return value.plain_value()


def available() -> bool:
    try:
        _environment(True)
    except Absent:
        return False
    return True


@lru_cache(maxsize=_COMPILED)
def _compiled(expression: str, rule: bool) -> Any:
    try:
        return _environment(rule).compile(_as_maps(expression))
    except RuntimeError as error:
        told = str(error).removeprefix("INVALID_ARGUMENT: ").removesuffix(" [INVALID_ARGUMENT]")
        raise Uncompiled(f"compilation failed: {told}") from error


@cache
def _environment(rule: bool) -> Any:
    try:
        from cel_expr_python import cel
        from cel_expr_python.ext import ext_math, ext_optional, ext_strings
    except ImportError as error:
        raise Absent from error
    kinds = {name: getattr(cel.Type, name) for name in ("BOOL", "DOUBLE", "DYN", "INT", "STRING")}
    kinds["LIST"] = cel.Type.List(cel.Type.DYN)
    declared = [
        cel.FunctionDecl(
            name,
            [
                cel.Overload(
                    f"{name}_{index}", kinds[one.returns], [kinds[kind] for kind in one.takes], one.method, one.run
                )
                for index, one in enumerate(overloads)
            ],
        )
        for name, overloads in FUNCTIONS.items()
    ]
    return cel.NewEnv(
        variables=dict.fromkeys(_RULE if rule else _POLICY, cel.Type.DYN),
        extensions=[
            ext_math.ExtMath(),
            ext_optional.ExtOptional(),
            ext_strings.ExtStrings(),
        ],
        functions=declared,
    )


def _worded(error: str) -> str:
    text = error.partition(": ")[2] or error
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text


# A literal of a type that a policy makes: Object{…}, Object.spec.template{…}, JSONPatch{…}.
_LITERAL: Final = re.compile(r"\b(?:Object(?:\.[A-Za-z_]\w*)*|JSONPatch)\s*\{")
_TOKEN: Final = re.compile(
    r"""(?P<text>[rRbB]?(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))"""
    rf"""|(?P<literal>{_LITERAL.pattern})|(?P<open>[{{(\[])|(?P<close>[}})\]])|(?P<comma>,)"""
    r"""|(?P<field>\??\s*[A-Za-z_]\w*\s*:(?!:))|(?P<other>[A-Za-z_]\w*|.)""",
    re.DOTALL,
)


def _as_maps(expression: str) -> str:
    """Write the typed literals of a mutation as maps: `Object{data: x}` is `{'data': x}`."""
    if not _LITERAL.search(expression):
        return expression
    parts: list[str] = []
    typed: list[bool] = []  # of each bracket that is open, whether field names stand in it
    expects = False
    for token in _TOKEN.finditer(expression):
        text = token.group()
        match token.lastgroup:
            case "literal":
                typed.append(True)
                parts.append("{")
                expects = True
                continue
            case "open":
                typed.append(False)
            case "close":
                if typed:
                    typed.pop()
            case "comma":
                parts.append(text)
                expects = bool(typed) and typed[-1]
                continue
            case "field" if expects:
                name = text.rstrip()[:-1].strip()
                optional = "?" if name.startswith("?") else ""
                parts.append(f"{optional}'{name.removeprefix('?').strip()}':")
                expects = False
                continue
            case _ if text.isspace():
                parts.append(text)
                continue
        expects = False
        parts.append(text)
    return "".join(parts)
