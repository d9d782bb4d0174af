"""What people type, as values. Pure: text in, an `Order` or a sentence that says what was expected.

Nothing typed goes anywhere unchecked: names and commits are words of plain letters and digits, everything else is
refused here. Case, extra blanks, quotes of any kind and unique beginnings of verbs do not matter.
"""

from __future__ import annotations

import difflib
import html
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.chat.verbs import ALIASES, HASH, MEANT, VERBS, Verb, usage
from bot.model.bulk import KINDS, chooses

_FIELD: Final = re.compile(r"/[^\s`]{1,200}|[A-Za-z][\w/-]*(?:[.\[][^\s`]{1,200})")  # a pointer, or a path with a dot
_QUOTES: Final = str.maketrans(dict.fromkeys("“”„«»‟", '"') | dict.fromkeys("‘’‚‛", "'"))
_MARK: Final = "\ufffd"
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9/._-]{0,126}[A-Za-z0-9])?")
_CHOICE: Final = re.compile(rf"([A-Za-z]{{2,16}}):{_NAME.pattern}")  # `cluster:prod`
_TOKEN: Final = re.compile(r'"([^"]*)"|(\S+)')
_DURATION: Final = re.compile(r"(?:\d{1,6}(?:s|m|h|d))+")
_SPOKEN: Final = re.compile(  # `30 min`, `2hours`
    r"(\d{1,6}) ?(?:(?P<s>sec(?:ond)?s?)|(?P<m>min(?:ute)?s?)|(?P<h>hrs?|hours?)|(?P<d>days?))(?!\S)\s*", re.IGNORECASE
)
_CLOCK: Final = re.compile(r"\d{1,2}(?::\d{2}|am|pm)")
_PART: Final = re.compile(r"(\d+)([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST: Final = timedelta(days=366)
_SHORTEST_PREFIX: Final = 3  # letters of a verb
REASON_LIMIT: Final = 500  # characters; a reason is a sentence
_SHOWN: Final = 40
_CHOICES_LIMIT: Final = 300  # characters of the words that choose apps: a button carries them


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`app` as typed, "" when none was, several words where they choose apps; `commit` also holds the ref of `plan`.

    `typed` is clean text for the audit.
    """

    verb: str
    app: str = ""
    commit: str = ""
    plan: str = ""
    duration: timedelta | None = None
    field: str = ""  # of `ignore`: a path or a JSON pointer
    reason: str = ""
    test: bool = False  # `oncall test`
    typed: str = ""

    @property
    def is_of_many(self) -> bool:
        """Tell whether it is about all apps that its words choose."""
        return VERBS[self.verb].many and chooses(self.app)


@dataclass(frozen=True, slots=True)
class ParseProblem:
    """The sentence the person reads."""

    message: str


class _Words:
    """The words of a command, taken from the left; quotes keep words together; `2 hours 30 min` is one, `2h30m`."""

    def __init__(self, text: str) -> None:
        self._text = text

    def peek(self) -> str | None:
        return self._next()[0]

    def take(self) -> str | None:
        word, self._text = self._next()
        return word

    def _next(self) -> tuple[str | None, str]:
        """Return the next word, None when there is none, and what follows it."""
        text, span = self._text.lstrip(), ""
        while spoken := _SPOKEN.match(text):
            span, text = f"{span}{spoken[1]}{spoken.lastgroup}", text[spoken.end() :]
        if span:
            return span, text
        found = _TOKEN.match(text)
        if found is None:
            return None, text
        return _bare(found[1] if found[1] is not None else found[2]), text[found.end() :]

    def rest(self) -> str:
        """Return everything that is left, without quotes around all of it."""
        text = " ".join(self._text.split())
        return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1] else text


def parse(text: str, *, in_thread: bool = False) -> Order | ParseProblem:
    """Read one command; in a thread it may leave out the app that the thread is about."""
    clean = _clean(text)
    words = _Words(clean)
    typed = " ".join(clean.replace(_MARK, " ").split())[:REASON_LIMIT]
    first = (words.take() or "help").lower()
    verb = _verb(first)
    if verb is None:
        close = [MEANT[first]] if first in MEANT else [one for one in VERBS if one.startswith(first)]
        close = close or difflib.get_close_matches(first[:_SHOWN], [*VERBS, *ALIASES], n=1)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        return ParseProblem(f'unknown verb "{_shown(first)}": {hint}`/gitops help` lists what there is')
    found = _arguments(verb, VERBS[verb], words, typed, in_thread=in_thread)
    left = words.peek()
    if left is not None and not isinstance(found, ParseProblem):
        return ParseProblem(f'"{_shown(left)}" is one word too many: `{usage(verb)}`')
    return found


def _verb(word: str) -> str | None:
    """Return the verb a word means: itself, an alias, or a beginning that only one verb has."""
    if word in VERBS or word in ALIASES:
        return ALIASES.get(word, word)
    if len(word) < _SHORTEST_PREFIX:
        return None
    found = {ALIASES.get(one, one) for one in (*VERBS, *ALIASES) if one.startswith(word)}
    return found.pop() if len(found) == 1 else None


def needs_app(verb: str) -> str:
    return f"{verb} needs an app: `{usage(verb)}`"


def _arguments(verb: str, form: Verb, words: _Words, typed: str, *, in_thread: bool) -> Order | ParseProblem:
    app, second, span = "", "", None
    test = verb == "oncall" and (words.peek() or "").lower() == "test"
    if test:
        words.take()
    if form.app != "none":
        word = words.peek()
        if word is None or (form.span and word.lower() == "for") or (in_thread and _goes_on(form, word)):
            if form.app == "needed" and not in_thread:
                return ParseProblem(needs_app(verb))
        else:
            named = _apps(form, words)
            if isinstance(named, ParseProblem):
                return named
            app = named
    if form.second:
        taken = _second(form, words)
        if isinstance(taken, ParseProblem):
            return taken
        second = taken
    if form.span:
        found = _span(verb, form, words)
        if isinstance(found, ParseProblem):
            return found
        span = found
    reason = words.rest().replace(_MARK, "")[:REASON_LIMIT] if form.reason else ""
    if form.reason:
        while words.take() is not None:
            pass
    return Order(
        verb=verb,
        app=app,
        commit=second if form.second == "commit" else "",
        plan=second if form.second == "plan" else "",
        field=second if form.second == "field" else "",
        duration=span,
        reason=reason,
        test=test,
        typed=typed,
    )


def _apps(form: Verb, words: _Words) -> str | ParseProblem:
    """Return the app, or all the words that choose some; where a reason may follow it begins with another word."""
    found: list[str] = []
    while (word := words.peek()) is not None and (not found or form.app == "several" or _chooses(form, word)):
        choice = _CHOICE.fullmatch(word) if form.many or form.app == "several" else None
        if not _NAME.fullmatch(word) and choice is None:
            return ParseProblem(f'"{_shown(word)}" is no name of an app or commit')
        found.append(word.lower())
        words.take()
    app = " ".join(found)
    return app if len(app) <= _CHOICES_LIMIT else ParseProblem("those are too many words: fewer choose more apps")


def _chooses(form: Verb, word: str) -> bool:
    """Tell whether a word says of which kind it is, for a verb that may be about many apps."""
    found = _CHOICE.fullmatch(word)
    return form.many and found is not None and found[1].lower() in KINDS


def _goes_on(form: Verb, word: str) -> bool:
    """Tell whether a word is what follows the app, in a thread where that was left out."""
    if _chooses(form, word):
        return False
    if form.reason and not _NAME.fullmatch(word):
        return True
    if form.second in {"commit", "plan"}:
        return HASH.fullmatch(word.lower()) is not None
    if form.second == "field":
        return _FIELD.fullmatch(word) is not None
    return bool(form.span) and _DURATION.fullmatch(word.lower()) is not None


def _second(form: Verb, words: _Words) -> str | ParseProblem:
    """Return the commit, ref, plan hash or field after the app; "" when there is none."""
    word = words.peek()
    if word is None or (form.second == "field" and not _FIELD.fullmatch(word)):
        return ""
    if form.second == "plan":
        if not HASH.fullmatch(word.lower()):
            return ParseProblem(f'"{_shown(word)}" is no plan hash: 7 or more of its digits, as the message shows it')
    elif form.second != "field" and not _NAME.fullmatch(word):
        return ParseProblem(f'"{_shown(word)}" is no name of an app or commit')
    words.take()
    return word.lower() if form.second == "plan" else word


def _span(verb: str, form: Verb, words: _Words) -> timedelta | ParseProblem | None:
    """Return the time of `for <duration>`, or of a duration alone; None where it may be left out and is."""
    word = (words.peek() or "").lower()
    if word in {"until", "till"} or _CLOCK.fullmatch(word):
        return ParseProblem(f"say for how long, not until when: `{usage(verb)}`, such as for 30m, 2h or 1d")
    if word != "for" and not _DURATION.fullmatch(word):
        needed = ParseProblem(f"{verb} needs a time: `{usage(verb)}`, such as for 30m, 2h or 1d")
        return needed if form.span == "needed" else None
    if word == "for":
        words.take()
    text = (words.take() or "").lower()
    if not _DURATION.fullmatch(text):
        return ParseProblem("`for` needs a duration such as 30m, 2h or 1d")
    found = timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))
    if not timedelta(0) < found <= _LONGEST:
        return ParseProblem(f"{text} is no time to {verb} something for: up to {_LONGEST.days}d")
    return found


def _clean(text: str) -> str:
    """Return the text with quotes straightened, Slack's escapes undone, and a mark for each invisible character.

    No name has such a mark: what looks like another word (direction marks, NUL) is refused, not repaired.
    """
    straight = html.unescape(text[:20_000]).translate(_QUOTES)
    return "".join(" " if char.isspace() else char if char.isprintable() else _MARK for char in straight)


def _bare(word: str) -> str:
    return word.strip("\"'`")


def _shown(word: str) -> str:
    short = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}…"
    return short.replace("`", "'").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
