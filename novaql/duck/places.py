"""Which tokens of a text are names of tables, and where its statements are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from novaql.duck.tokens import Token, tokens_of
from novaql.fast_dataclass import dataclass

_BEFORE_A_TABLE = {"FROM", "JOIN", "LATERAL", "PIVOT", "UNPIVOT", "SUMMARIZE", "DESCRIBE", "SHOW"}
_BEFORE_A_QUERY = (";", "(", "AS", "EXPLAIN")
_AFTER_THE_TABLES = {"SELECT", "WHERE", "GROUP", "HAVING", "QUALIFY", "WINDOW", "ORDER", "LIMIT"}
_AFTER_THE_TABLES |= {"OFFSET", "UNION", "EXCEPT", "INTERSECT", "SET", "RETURNING", ";"}
_DISTINCT = (["IS", "DISTINCT"], ["NOT", "DISTINCT"])
_WITH_FROM = {"EXTRACT", "SUBSTRING", "TRIM", "OVERLAY"}
_OPEN, _CLOSED = ("(", "[", "{"), (")", "]", "}")
_CREATE = {"OR", "REPLACE", "TEMP", "TEMPORARY", "PERSISTENT", "RECURSIVE", "MATERIALIZED"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Statements of a text, side by side.

    text     of them
    lasting  whether they create views or macros, which are used later
    """

    text: str
    lasting: bool


def table_places(tokens: Sequence[Token]) -> list[int]:
    """Numbers of the tokens in the place of a table: behind FROM, JOIN and the like, behind a comma
    of a FROM clause, and behind a parenthesis in such a place."""
    found = []
    outer: list[tuple[bool, bool]] = []  # what holds around each open parenthesis
    listing = False  # in a FROM clause
    inner = False  # in the arguments of `extract(… FROM …)` and the like
    expected = False
    words = [token.text.upper() for token in tokens]
    for at, word in enumerate(words):
        before = words[at - 1] if at else ";"
        if word in _OPEN:
            outer.append((listing, inner))
            expected = expected and word == "(" and before not in ("PIVOT", "UNPIVOT")
            listing, inner = expected, before in _WITH_FROM
        elif word in _CLOSED:
            listing, inner = outer.pop() if outer else (False, False)
            expected = False
        elif word in _BEFORE_A_TABLE or (word == "TABLE" and before in _BEFORE_A_QUERY):
            # Not in IS DISTINCT FROM.
            clause = not inner and words[max(at - 2, 0) : at] not in _DISTINCT
            expected = expected or clause
            listing = listing or (clause and word == "FROM")
        elif word in _AFTER_THE_TABLES:
            listing = expected = False
        elif word == ",":
            expected = listing
        else:
            if expected and tokens[at].name is not None:
                found.append(at)
            expected = False
    return found


def qualified_names(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Names of tables with a schema: the tokens between the dots."""
    texts = [token.text for token in tokens]
    for start in table_places(tokens):
        end = start + 1
        while texts[end : end + 1] == ["."] and end + 1 < len(tokens):
            end += 2
        if end > start + 1 and texts[end : end + 1] != ["("]:
            yield list(tokens[start:end:2])


def statements_of(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The tokens of each statement, without semicolons."""
    statement: list[Token] = []
    for token in tokens:
        if token.text != ";":
            statement.append(token)
        elif statement:
            yield statement
            statement = []
    if statement:
        yield statement


def makes_what_remains(statement: Sequence[Token]) -> bool:
    """Whether a statement creates a view or a macro."""
    words = [token.text.upper() for token in statement]
    if words[:1] != ["CREATE"]:
        return False
    kind = next((word for word in words[1:] if word not in _CREATE), "")
    return kind in ("VIEW", "MACRO", "FUNCTION")


def pieces_of(text: str) -> list[Piece]:
    """A text in pieces: the statements that create views and macros, and those between."""
    runs: list[tuple[bool, list[Token]]] = []
    for statement in statements_of(tokens_of(text)):
        lasting = makes_what_remains(statement)
        if not runs or runs[-1][0] != lasting:
            runs.append((lasting, []))
        runs[-1][1].extend(statement)
    if len(runs) < 2:
        return [Piece(text, bool(runs) and runs[0][0])]
    whole = text.encode()
    return [
        Piece(whole[tokens[0].start : tokens[-1].end].decode(), lasting) for lasting, tokens in runs
    ]


def shown(statement: Sequence[Token]) -> set[str]:
    """What follows SHOW at the beginning of a statement or of a query in parentheses: TABLES, or
    the name of a table, in capital letters."""
    words = ["(", *(token.text.upper() for token in statement if token.text.upper() != "ALL")]
    return {
        words[at + 2]
        for at in range(len(words) - 2)
        if words[at] == "(" and words[at + 1] == "SHOW"
    }
