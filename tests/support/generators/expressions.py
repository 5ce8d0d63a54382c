"""Random syntax trees, of the shape that `parse` gives.

`well_typed_expressions()` draws trees that pass the type checker; names, labels and functions can
be restricted to those for which a test has data.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from novaql.language import AGGREGATORS, FUNCTIONS, Aggregator, ValueType
from novaql.language.ast import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Call,
    Cardinality,
    Duration,
    DurationBinary,
    DurationLiteral,
    DurationName,
    DurationParen,
    DurationQuery,
    DurationUnary,
    Expr,
    Matching,
    MatrixSelector,
    Number,
    Paren,
    Subquery,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.precedence import (
    COMPARISONS,
    MANY_TO_MANY,
    PRECEDENCE,
    RIGHT_ASSOCIATIVE,
    SET_OPERATORS,
    TRIM_OPERATORS,
    UNARY_PRECEDENCE,
)
from novaql.tsdb.model.matchers import Matcher, MatchOp

ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_PATTERNS = st.sampled_from(["", ".*", ".+", "a|b", "(x|y).*", "[0-9]+", 'q"\\\\'])


@dataclass(frozen=True)
class Vocabulary:
    """What selectors and calls may name.

    extensions  whether functions of PromQL may have the arguments that only NovaQL takes
    """

    metrics: Sequence[str] = ("a", "b_total", "sum", "start", "by", "ns:rate5m", "on", "my metric")
    labels: Sequence[str] = ("job", "le", "by", "__name__", "label.name")
    functions: Collection[str] = tuple(FUNCTIONS)
    aggregators: Collection[str] = tuple(AGGREGATORS)
    extensions: bool = True


# --- durations -------------------------------------------------------------------------------

_POSITIVE = st.one_of(
    st.integers(1, 10**7).map(lambda ms: ms * 1_000_000),
    st.sampled_from([1, 500, 10**9, 3600 * 10**9, 2**63 - 1]),
).map(DurationLiteral)
_LITERALS = st.one_of(_POSITIVE, st.integers(-(10**9), 0).map(lambda s: DurationLiteral(s * 10**9)))


def _grown_durations(inner: st.SearchStrategy[Duration]) -> st.SearchStrategy[Duration]:
    return st.one_of(
        st.builds(_signed_duration, st.sampled_from("+-"), inner),
        st.builds(_joined_durations, st.sampled_from("+-*/%^"), inner, inner),
        st.builds(DurationBinary, st.sampled_from(["min_of", "max_of"]), inner, inner),
        st.builds(DurationParen, inner),
    )


def durations() -> st.SearchStrategy[Duration]:
    """Durations as brackets accept them."""
    leaves: st.SearchStrategy[Duration] = st.one_of(
        _LITERALS, st.sampled_from(DurationName).map(DurationQuery)
    )
    return st.recursive(leaves, _grown_durations, max_leaves=4)


def ranges() -> st.SearchStrategy[Duration]:
    """Durations that the parser does not recognise as 0 or negative."""
    return st.one_of(_POSITIVE, durations().filter(_maybe_positive))


def offsets() -> st.SearchStrategy[Duration]:
    """Durations of one item."""
    return durations().map(_one_item)


def _maybe_positive(duration: Duration) -> bool:
    return not isinstance(duration, DurationLiteral) or duration.nanoseconds > 0


def _duration_binding(duration: Duration) -> int:
    match duration:
        case DurationBinary(op=op) if op in PRECEDENCE:
            return PRECEDENCE[op]
        case DurationUnary():
            return UNARY_PRECEDENCE
        case DurationLiteral(nanoseconds=n) if n < 0:
            return UNARY_PRECEDENCE
        case _:
            return 100


def _signed_duration(sign: str, operand: Duration) -> Duration:
    if isinstance(operand, DurationLiteral):
        return DurationLiteral(-operand.nanoseconds if sign == "-" else operand.nanoseconds)
    loose = _duration_binding(operand) < UNARY_PRECEDENCE or (
        isinstance(operand, DurationBinary) and operand.op in "*/%"
    )
    return DurationUnary(sign, DurationParen(operand) if loose else operand)


def _joined_durations(op: str, left: Duration, right: Duration) -> Duration:
    least = PRECEDENCE[op]
    if _duration_binding(left) < least + (op in RIGHT_ASSOCIATIVE):
        left = DurationParen(left)
    signed = isinstance(right, DurationUnary | DurationLiteral)
    if _duration_binding(right) < least + (op not in RIGHT_ASSOCIATIVE) and not signed:
        right = DurationParen(right)
    return DurationBinary(op, left, right)


def _one_item(duration: Duration) -> Duration:
    match duration:
        case DurationUnary(op=op, operand=operand):
            return DurationUnary(op, _one_item(operand))
        case DurationBinary(op=op) if op in PRECEDENCE:
            return DurationParen(duration)
        case _:
            return duration


# --- selectors -------------------------------------------------------------------------------


@st.composite
def matchers(draw: st.DrawFn, vocabulary: Vocabulary) -> Matcher:
    op = draw(st.sampled_from(MatchOp))
    name = draw(st.sampled_from([n for n in vocabulary.labels if n != "__name__"]))
    return Matcher(name, op, draw(_PATTERNS if op.is_regex else ANY_TEXT))


def moments() -> st.SearchStrategy[At]:
    times = st.one_of(st.integers(-(10**12), 10**13), st.integers(-(2**63) + 1, 2**63 - 1))
    return st.one_of(times.map(At), st.sampled_from(AtEdge).map(At))


@st.composite
def vector_selectors(
    draw: st.DrawFn, vocabulary: Vocabulary, *, shifted: bool = True
) -> VectorSelector:
    extended = draw(st.sampled_from(["", "", "", "anchored", "smoothed"])) if shifted else ""
    conditions = draw(st.lists(matchers(vocabulary), max_size=3))
    name: str | None = draw(st.sampled_from(vocabulary.metrics))
    if "__name__" in vocabulary.labels and draw(st.integers(0, 4)) == 0:
        conditions.insert(0, Matcher("__name__", MatchOp.EQUAL, name or ""))
        name = None
    return VectorSelector(
        name,
        tuple(conditions),
        draw(st.none() | offsets()) if shifted else None,
        draw(st.none() | moments()) if shifted else None,
        anchored=extended == "anchored",
        smoothed=extended == "smoothed",
    )


# --- expressions -----------------------------------------------------------------------------

numbers = st.one_of(
    st.integers(-100, 100).map(float),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-7, 1e21, 5e-324]),
).map(Number)


def needs_parentheses(expr: Expr, least: int) -> bool:
    """Whether an expression binds less tightly than its place requires."""
    match expr:
        case Binary(op=op):
            return PRECEDENCE[op] < least
        case Unary():
            return least > UNARY_PRECEDENCE
        case Number(value=value):
            return least > UNARY_PRECEDENCE and (repr(value)[0] == "-" or repr(value) == "inf")
        case _:
            return False


def signed(sign: str, operand: Expr) -> Expr:
    """The tree that `parse` returns for a sign before an operand."""
    if isinstance(operand, Number):
        return Number(-operand.value if sign == "-" else operand.value)
    loose = not isinstance(operand, Unary) and needs_parentheses(operand, UNARY_PRECEDENCE + 1)
    return Unary(sign, Paren(operand) if loose else operand)


def joined(
    op: str, left: Expr, right: Expr, *, return_bool: bool = False, matching: Matching | None = None
) -> Binary:
    """The tree that `parse` returns for two operands, with the necessary parentheses."""
    least = PRECEDENCE[op]
    if needs_parentheses(left, least + (op in RIGHT_ASSOCIATIVE)):
        left = Paren(left)
    if not isinstance(right, Unary | Number) and needs_parentheses(
        right, least + (op not in RIGHT_ASSOCIATIVE)
    ):
        right = Paren(right)
    if matching is None:
        many = op in MANY_TO_MANY
        matching = Matching(Cardinality.MANY_TO_MANY) if many else Matching()
    return Binary(op, left, right, return_bool, matching)


@st.composite
def matchings(draw: st.DrawFn, vocabulary: Vocabulary, op: str) -> Matching:
    names = st.lists(st.sampled_from(vocabulary.labels), max_size=2, unique=True)
    on, labels = draw(st.booleans()), tuple(draw(names))
    if op in MANY_TO_MANY:
        return Matching(Cardinality.MANY_TO_MANY, on, labels)
    one, left, right = Cardinality.ONE_TO_ONE, Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY
    cardinality = draw(st.sampled_from([one, left, right]))
    include = () if cardinality is one else tuple(n for n in draw(names) if n not in labels)
    fills = st.none() | st.floats(allow_nan=False)
    return Matching(cardinality, on, labels, include, draw(fills), draw(fills))


class Drawing:
    """Draws one tree: every method returns an expression of the type in its name."""

    matchings = staticmethod(matchings)

    def __init__(self, draw: st.DrawFn, vocabulary: Vocabulary) -> None:
        self._draw = draw
        self._words = vocabulary

    def of(self, wanted: ValueType, depth: int) -> Expr:
        if self._draw(st.integers(0, 9)) == 0:
            return Paren(self._bare(wanted, depth - 1))
        return self._bare(wanted, depth)

    def _bare(self, wanted: ValueType, depth: int) -> Expr:
        match wanted:
            case ValueType.STRING:
                return Text(self._draw(ANY_TEXT))
            case ValueType.SCALAR:
                return self._scalar(depth)
            case ValueType.MATRIX:
                return self._matrix(depth)
            case ValueType.VECTOR:
                return self._vector(depth)

    def _scalar(self, depth: int) -> Expr:
        kind = self._draw(st.integers(0, 5)) if depth > 0 else 0
        if kind == 3:
            return signed(self._draw(st.sampled_from("+-")), self.of(ValueType.SCALAR, depth - 1))
        if kind == 4:
            op = self._draw(st.sampled_from([*ARITHMETIC, *sorted(COMPARISONS)]))
            left, right = (self.of(ValueType.SCALAR, depth - 1) for _ in range(2))
            return joined(op, left, right, return_bool=op in COMPARISONS)
        call = self._call(ValueType.SCALAR, depth) if kind == 5 else None
        return call or self._draw(numbers)

    def _matrix(self, depth: int) -> Expr:
        if depth <= 0 or self._draw(st.integers(0, 2)):
            return MatrixSelector(self._draw(vector_selectors(self._words)), self._draw(ranges()))
        inner = self.of(ValueType.VECTOR, depth - 1)
        return Subquery(
            Paren(inner) if isinstance(inner, Binary | Unary) else inner,
            self._draw(ranges()),
            self._draw(st.none() | ranges()),
            self._draw(st.none() | offsets()),
            self._draw(st.none() | moments()),
        )

    def _vector(self, depth: int) -> Expr:
        kind = self._draw(st.integers(0, 9)) if depth > 0 else 0
        if kind in (3, 4):
            return self._aggregate(depth)
        if kind in (5, 6):
            return self._binary(depth)
        if kind == 7:
            return signed(self._draw(st.sampled_from("+-")), self.of(ValueType.VECTOR, depth - 1))
        call = self._call(ValueType.VECTOR, depth) if kind > 7 else None
        return call or self._draw(vector_selectors(self._words))

    def _binary(self, depth: int) -> Expr:
        op = self._draw(st.sampled_from([*ARITHMETIC, *COMPARISONS, *SET_OPERATORS, "</", ">/"]))
        return_bool = op in COMPARISONS and self._draw(st.booleans())
        kinds = [ValueType.VECTOR, ValueType.VECTOR]
        if op not in SET_OPERATORS and self._draw(st.integers(0, 1)):
            side = 1 if op in TRIM_OPERATORS else self._draw(st.integers(0, 1))
            kinds[side] = ValueType.SCALAR
        left, right = (self.of(kind, depth - 1) for kind in kinds)
        matching = None
        if ValueType.SCALAR not in kinds and self._draw(st.booleans()):
            matching = self._draw(self.matchings(self._words, op))
        return joined(op, left, right, return_bool=return_bool, matching=matching)

    def _aggregate(self, depth: int) -> Aggregate:
        op = self._draw(st.sampled_from(sorted(self._words.aggregators)))
        wanted = AGGREGATORS[op].parameter
        names = self._draw(st.lists(st.sampled_from(self._words.labels), max_size=2, unique=True))
        return Aggregate(
            op,
            self.of(ValueType.VECTOR, depth - 1),
            None if wanted is None else self.of(wanted, depth - 2),
            tuple(names),
            self._draw(st.booleans()),
            more=self._more(AGGREGATORS[op], depth),
        )

    def _argument(self, wanted: ValueType, depth: int) -> Expr:
        return self.of(wanted, depth)

    def _more(self, row: Aggregator, depth: int) -> tuple[Expr, ...]:
        if row.more is None:
            return ()
        least = 1 if row.more_first else 0
        count = self._draw(st.integers(least, 3 if row.more_first else 1))
        return tuple(self.of(row.more, depth - 2) for _ in range(count))

    def _call(self, wanted: ValueType, depth: int) -> Expr | None:
        names = sorted(n for n in self._words.functions if FUNCTIONS[n].returns is wanted)
        if not names:
            return None
        row = FUNCTIONS[self._draw(st.sampled_from(names))]
        most = row.most_arguments
        if not self._words.extensions and row.promql_most is not None:
            most = row.promql_most
        count = self._draw(
            st.integers(row.fewest_arguments, len(row.arguments) + 2 if most is None else most)
        )
        arguments = [self._argument(row.argument_type(i, count), depth - 1) for i in range(count)]
        if row.name == "info" and count == 2:
            arguments[1] = self._draw(vector_selectors(self._words, shifted=False))
        return Call(row.name, tuple(arguments))


@st.composite
def well_typed_expressions(
    draw: st.DrawFn,
    value_type: ValueType | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    max_depth: int = 4,
) -> Expr:
    """A tree that `parse(format_expr(tree))` returns unchanged.

    value_type  what it must be, None: anything
    vocabulary  names to choose from; the default has awkward ones
    max_depth   levels of calls, operators and parentheses
    """
    wanted = value_type or draw(st.sampled_from(ValueType))
    return Drawing(draw, vocabulary or Vocabulary()).of(wanted, max_depth)
