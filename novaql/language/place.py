"""The place where parsing stopped, and its surroundings: the input of hints."""

from __future__ import annotations

import re
from functools import cached_property

from novaql.fast_dataclass import dataclass
from novaql.language.fault import Fault
from novaql.span import Span

_WORD = re.compile(
    r'"(?:[^"\\\n]++|\\[^\n])*+"'
    r"|'(?:[^'\\\n]++|\\[^\n])*+'"
    r"|`[^`]*`"
    r"|(?P<skip>\#[^\n]*|[ \t\r\n]+)"
    r"|(?:[\w:.]++|\\[^\n])++"
    r"|=~|!~|!=|==|<=|>=|</|>/"
    r"|."
)
CLOSING = {"(": ")", "[": "]", "{": "}"}
OPENING = {closing: opening for opening, closing in CLOSING.items()}
MAX_SHOWN = 32


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    span: Span


@dataclass(frozen=True)
class Place:
    """`text[at:]` could not be parsed. `expected`: names of the terminals possible there."""

    text: str
    at: int
    expected: frozenset[str]

    @cached_property
    def before(self) -> list[Word]:
        """The words in front, without blanks and comments."""
        found = _WORD.finditer(self.text, 0, self.at)
        return [Word(m[0], Span(*m.span())) for m in found if m["skip"] is None]

    @cached_property
    def previous(self) -> str:
        """The last word before this place; "" if there is none."""
        return self.before[-1].text if self.before else ""

    @cached_property
    def opened(self) -> list[Word]:
        """Brackets that are open here, outermost first."""
        stack: list[Word] = []
        for word in self.before:
            if word.text in CLOSING:
                stack.append(word)
            elif stack and OPENING.get(word.text) == stack[-1].text:
                stack.pop()
        return stack

    @property
    def inside(self) -> str:
        """The innermost open bracket, or nothing."""
        return self.opened[-1].text if self.opened else ""

    @cached_property
    def word(self) -> str:
        """Return the word here; "" at the end of the text."""
        found = _WORD.match(self.text, self.at)
        return found[0] if found else ""

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    @property
    def at_end(self) -> bool:
        return self.at >= len(self.text)

    @property
    def after_operand(self) -> bool:
        """Whether a complete operand precedes."""
        return "ARITHMETIC" in self.expected and "COMPARISON" in self.expected

    @property
    def wants_operand(self) -> bool:
        return "IDENT" in self.expected and "LBRACE" in self.expected

    @property
    def shown(self) -> str:
        """The word, cut to a readable length and quoted."""
        if self.at_end:
            return "the end of the query"
        cut = self.word if len(self.word) <= MAX_SHOWN else self.word[: MAX_SHOWN - 1] + "…"
        return cut if cut[0] in "\"'`" else f'"{cut}"'

    def fault(
        self, message: str, suggestion: str | None = None, *, span: Span | None = None
    ) -> Fault:
        """Return a fault at the span, or at the word here if there is none."""
        here = Span(self.at, self.at + max(1, len(self.word)))
        return Fault(message, span or here, suggestion=suggestion)
