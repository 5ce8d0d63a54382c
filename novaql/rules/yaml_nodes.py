"""YAML as located nodes: PyYAML composes, and nothing is constructed.

A scalar keeps its text, so that a rule called `yes` or `1.0` stays what it is; what a scalar means
is for the field to say (`YamlReader`).
"""

from __future__ import annotations

import re
from bisect import bisect_right

import yaml

from novaql.rules.problems import FileProblems, Place, Problem

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_DEPTH = 60
_MOST_CHARACTERS = 20_000_000

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
        if len(self.text) > _MOST_CHARACTERS:
            raise self._problem(Place(1, 1), f"longer than {_MOST_CHARACTERS} characters")
        loader = _LOADER(self.text)
        try:
            if not loader.check_node():
                return None
            node: Node = loader.get_node()
        except yaml.MarkedYAMLError as problem:
            mark = problem.problem_mark or problem.context_mark
            place = Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
            context = f" {problem.context}" if problem.context else ""
            raise self._problem(place, f"not YAML: {problem.problem}{context}") from None
        except yaml.YAMLError as problem:
            position = getattr(problem, "position", 0)
            first = str(problem).splitlines()[0]
            raise self._problem(self.place(position), f"not YAML: {first}") from None
        except RecursionError:
            raise self._problem(Place(1, 1), "nested too deeply") from None
        finally:
            loader.dispose()
        if deep := _too_deep(node):
            raise self._problem(place_of(deep), "nested too deeply")
        return node

    def _problem(self, place: Place, message: str) -> FileProblems:
        return FileProblems([Problem(self.file, place, message)])

    def place(self, position: int) -> Place:
        """Line and column of a character of the text."""
        line = bisect_right(self._starts, position) - 1
        return Place(line + 1, position - self._starts[line] + 1)

    def position(self, mark: yaml.Mark) -> int:
        """The character at a mark of the parser."""
        return self._starts[min(mark.line, len(self._starts) - 1)] + mark.column

    def inside(self, node: Scalar, position: int) -> Place:
        """Where a character of a scalar's value stands in the file.

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
        """Where the next such character begins, blanks before it skipped."""
        while at < end and self.text[at] != character and self.text[at].isspace():
            at += 1
        if style == '"':
            while at < end and self.text.startswith("\\\n", at):
                at += 2
                while at < end and self.text[at] in " \t":
                    at += 1
        return at

    def _behind(self, character: str, at: int, end: int, style: str | None) -> int:
        """The position behind the source of one character of the value."""
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
    """Where a node begins."""
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def is_null(node: Node) -> bool:
    """Whether the node is `null`, `~` or nothing."""
    return isinstance(node, Scalar) and node.tag == "tag:yaml.org,2002:null"


def below(node: Node) -> list[Node]:
    """Keys, values and items directly below."""
    if isinstance(node, Mapping):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, Sequence) else []


def _too_deep(root: Node) -> Node | None:
    """A node below too many others, or None. Aliases that contain themselves are too deep."""
    seen: set[tuple[int, int]] = set()
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _MOST_DEPTH:
            return node
        if (id(node), depth) not in seen:
            seen.add((id(node), depth))
            waiting.extend((part, depth + 1) for part in below(node))
    return None
