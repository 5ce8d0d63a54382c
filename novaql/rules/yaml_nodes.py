"""YAML as located nodes: PyYAML composes them, but constructs no values.

A scalar remains text, so that the name of a rule can be `yes` or `1.0`; the meaning of a scalar
depends on the field (`YamlReader`).
"""

from __future__ import annotations

import re
from bisect import bisect_right

import yaml

from novaql.rules.problems import FileProblems, Place, Problem
from novaql.rules.yaml_bounds import YamlProblem, check_bounds, loader_of

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

Node = yaml.Node
Scalar = yaml.ScalarNode
Mapping = yaml.MappingNode
Sequence = yaml.SequenceNode


class YamlText:
    """The text of a file and where its lines begin."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self._starts = [0, *(hit.end() for hit in _BREAK.finditer(text))]

    def first_document(self) -> Node | None:
        """The root node of the first document; None if the file is empty.

        Raises `FileProblems`.
        """
        try:
            check_bounds(self.text, first_only=True)
            with loader_of(self.text) as loader:
                return loader.get_node() if loader.check_node() else None
        except YamlProblem as problem:
            place = Place(problem.line, problem.column)
            if problem.position is not None:
                place = self.place(problem.position)
            raise FileProblems([Problem(self.file, place, problem.reason)]) from None

    def place(self, position: int) -> Place:
        """Line and column of a character of the text."""
        line = bisect_right(self._starts, position) - 1
        return Place(line + 1, position - self._starts[line] + 1)

    def position(self, mark: yaml.Mark) -> int:
        """The character at a mark of the parser."""
        return self._starts[min(mark.line, len(self._starts) - 1)] + mark.column

    def inside(self, node: Scalar, position: int) -> Place:
        """Return the position in the file of a character of a scalar's value.

        Folding, indentation and escapes are undone by walking along both texts.
        """
        at = self.position(node.start_mark)
        end = self.position(node.end_mark)
        if node.style in ("|", ">"):
            line_end = _BREAK.search(self.text, at, end)
            at = end if line_end is None else line_end.end()
        elif node.style in ("'", '"'):
            at += 1
        for character in node.value[:position]:
            at = self._behind(character, at, end, node.style)
        if position < len(node.value) and not node.value[position].isspace():
            at = self._at(node.value[position], at, end, node.style)
        return self.place(min(at, max(self.position(node.start_mark), end - 1)))

    def _at(self, character: str, at: int, end: int, style: str | None) -> int:
        """The position of the next such character; blanks before it are skipped."""
        while at < end and self.text[at] != character and self.text[at].isspace():
            at += 1
        if style == '"':
            while at < end and self.text.startswith("\\\n", at):
                at += 2
                while at < end and self.text[at] in " \t":
                    at += 1
        return at

    def _behind(self, character: str, at: int, end: int, style: str | None) -> int:
        """The position after the source of one character of the value."""
        if style == '"':
            at = self._at(character, at, end, style)
            if at < end and self.text[at] == "\\":
                width = {"x": 4, "u": 6, "U": 10}.get(self.text[at + 1 : at + 2], 2)
                return min(at + width, end)
            return at if character.isspace() and not self._blank(at, end) else at + 1
        if character.isspace():
            return at + 1 if self._blank(at, end) else at
        at = self._at(character, at, end, style)
        if style == "'" and character == "'":
            return min(at + 2, end)
        return min(at + 1, end)

    def _blank(self, at: int, end: int) -> bool:
        return at < end and self.text[at].isspace()


def place_of(node: Node) -> Place:
    """The position at which a node begins."""
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def is_null(node: Node) -> bool:
    """Whether the node is `null`, `~` or empty."""
    return isinstance(node, Scalar) and node.tag == "tag:yaml.org,2002:null"


def below(node: Node) -> list[Node]:
    """Keys, values and items directly below."""
    if isinstance(node, Mapping):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, Sequence) else []
