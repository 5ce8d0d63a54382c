"""A place in the text of a query, and a picture of it."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass

MOST_SHOWN = 500
"""Characters of a line that a picture shows on each side of the place."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range of character positions in a query text."""

    start: int
    end: int

    def position(self, text: str) -> tuple[int, int]:
        """Line and column of the start, both from 1."""
        before = text[: self.start]
        return before.count("\n") + 1, self.start - (before.rfind("\n") + 1) + 1

    def picture(self, text: str) -> str:
        """The line the span starts on, with carets below the marked part."""
        line_start = text.rfind("\n", 0, self.start) + 1
        line_end = text.find("\n", self.start)
        line_end = line_end if line_end >= 0 else len(text)
        # Only the part around the place, if the line is very long.
        line_start = max(line_start, self.start - MOST_SHOWN)
        line = text[line_start : min(line_end, self.start + MOST_SHOWN)]
        width = max(1, min(self.end, line_start + len(line)) - self.start)
        # Tabs remain tabs in the line of carets, so that they are below the text in a terminal.
        pad = "".join("\t" if c == "\t" else " " for c in line[: self.start - line_start])
        return f"{line}\n{pad}{'^' * width}"


NOWHERE = Span(0, 0)
