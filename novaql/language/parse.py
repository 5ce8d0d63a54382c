"""Text → checked trees."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from novaql.errors import SyntaxProblem
from novaql.fast_dataclass import dataclass
from novaql.language.ast import Aggregate, Call, Expr, MatrixSelector, VectorSelector
from novaql.language.check import check
from novaql.language.depth import check_depth
from novaql.language.expand import Extension, expand
from novaql.language.fault import Fault
from novaql.language.lifted import is_lifted
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Origin
from novaql.language.value_types import ValueType
from novaql.language.visit import walk
from novaql.lazy_exports import lazy_module
from novaql.span import NOWHERE, Span
from novaql.text.unicode import lone_surrogate
from novaql.tsdb.runtime.lru_cache import ByteCache

if TYPE_CHECKING:
    from novaql.language import reading
else:
    reading = lazy_module("novaql.language.reading")  # loads Lark: 30 ms

MAX_LENGTH = 1_000_000
MAX_WORDS = 100_000
"""Names, numbers, texts, operators, brackets, comments: about a second of reading."""

# An unclosed text ends with its line, so that no text is scanned twice.
_WORD = re.compile(
    r'"(?:[^"\\\n]++|\\.)*+"?'
    r"|'(?:[^'\\\n]++|\\.)*+'?"
    r"|`[^`]*`?"
    r"|#[^\n]*"
    r"|\w+"
    r"|[^\w\s]"
)

_TREE_BYTES = 1_000
_BYTES_PER_CHARACTER = 100
"""About the size of a small tree, and of a tree for each character of its text."""


@dataclass(frozen=True, eq=False)
class Parsed:
    """A parsed text.

    surface     the tree of the text as written
    core        the tree from which plans are built; the same object if the text has no extensions
    noted       the extensions of PromQL that the parser saw
    """

    text: str
    surface: Expr
    core: Expr
    noted: tuple[Extension, ...]

    @cached_property
    def extensions(self) -> list[Extension]:
        """All extensions of PromQL that the text uses, by their places."""
        found = [*self.noted, *_names_of_extensions(self.core), *self._named_info_labels()]
        return sorted(found, key=lambda extension: extension[1].start)

    def _named_info_labels(self) -> list[Extension]:
        seconds = (
            node.arguments[1].span
            for node in walk(self.surface)
            if isinstance(node, Call) and node.function == "info" and len(node.arguments) > 1
        )
        return [
            ("a metric name before the braces in info()", span)
            for span in seconds
            if self.text[span.start] != "{"
        ]


_TREES: ByteCache[Parsed] = ByteCache(
    32 << 20, lambda entry: _TREE_BYTES + _BYTES_PER_CHARACTER * len(entry.text)
)


def parse(text: str, *, strict_promql: bool = False) -> Expr:
    """Parse a query text to a type-checked tree, the surface tree.

    strict_promql  reject extensions of PromQL

    Raises `SyntaxProblem`, `TypeProblem` or `UnknownName`. Caches trees of recent texts; they
    are immutable.
    """
    return parsed(text, strict_promql=strict_promql).surface


def parse_core(text: str, *, strict_promql: bool = False) -> Expr:
    """Parse a query text to the core tree: `parse`, with its extensions expanded."""
    return parsed(text, strict_promql=strict_promql).core


def parsed(text: str, *, strict_promql: bool = False) -> Parsed:
    """Return both trees of a text, and its extensions. Raises what `parse` raises."""
    entry = _TREES.get(text)
    if entry is None:
        entry = _parse(text)
        _TREES.put(text, entry)
    if strict_promql and (extensions := entry.extensions):
        extension, span = extensions[0]
        fault = Fault(f"{extension} is an extension of NovaQL; strict_promql refuses it", span)
        raise fault.located(text)
    return entry


def _parse(text: str) -> Parsed:
    _check_text(text)
    try:
        surface, extensions = reading.read(text)
        check_depth(surface)
        core = surface
        if extensions or not _is_well_typed(surface):
            core = expand(surface, extensions)
            check_depth(core)
            check(core)
    except Fault as fault:
        raise fault.located(text) from None
    return Parsed(text, surface, core, tuple(extensions))


def _is_well_typed(expr: Expr) -> bool:
    try:
        check(expr)
    except Fault:
        return False
    return True


def _names_of_extensions(expr: Expr) -> list[Extension]:
    """Functions and aggregators that PromQL lacks, and operations on samples of ranges."""
    found = []
    for node in walk(expr):
        match node:
            case Call(function=name, arguments=arguments):
                signature = FUNCTIONS[name]
                if signature.origin is not Origin.PROMQL and node.name_span is not NOWHERE:
                    found.append((f"{name}()", node.name_span))
                most = signature.promql_most
                if most is not None and len(arguments) > most:
                    found.append((f"a further argument of {name}()", arguments[most].span))
                for index, argument in enumerate(arguments):
                    if isinstance(argument, MatrixSelector | VectorSelector | Aggregate):
                        continue
                    wanted = signature.argument_type(index, len(arguments))
                    if wanted is ValueType.MATRIX and is_lifted(argument):
                        found.append(("an operation on the samples of a range", argument.span))
            case Aggregate(op=op) if AGGREGATORS[op].origin is not Origin.PROMQL:
                found.append((op, node.span))
            case Aggregate(op=op, more=(further, *_)):
                found.append((f"a further argument of {op}", further.span))
    return found


def _check_text(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise SyntaxProblem(
            f"the query is longer than {MAX_LENGTH} characters",
            text,
            Span(MAX_LENGTH, MAX_LENGTH + 1),
        )
    if len(text) > MAX_WORDS:
        words = _WORD.finditer(text)
        surplus = next(islice(words, MAX_WORDS, None), None)
        if surplus is not None:
            raise SyntaxProblem(
                f"the query has more than {MAX_WORDS} words", text, Span(*surplus.span())
            )
    if (lone := lone_surrogate(text)) is not None:
        raise SyntaxProblem("the query is not valid UTF-8", text, Span(lone, lone + 1))
