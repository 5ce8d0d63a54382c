"""Random syntax trees with extensions of PromQL, of the shape that `parse` gives."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from novaql.language import FUNCTIONS, ValueType
from novaql.language.ast import (
    Aggregate,
    At,
    AtEdge,
    Binary,
    Binding,
    Call,
    Cardinality,
    DurationReference,
    Expr,
    Let,
    Matching,
    MatrixSelector,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Template,
    Text,
    Unary,
    VectorSelector,
)
from novaql.language.precedence import COMPARISONS, EXTENSIONS
from tests.support.generators.expressions import (
    ANY_TEXT,
    ARITHMETIC,
    Drawing,
    Vocabulary,
    joined,
    matchers,
    matchings,
    moments,
    numbers,
    offsets,
    ranges,
    signed,
    vector_selectors,
)


@st.composite
def matchings_of_extensions(draw: st.DrawFn, vocabulary: Vocabulary, op: str) -> Matching:
    """Pairs of labels, `group_left (*)` and `prefix`."""
    matching = draw(matchings(vocabulary, op))
    if not matching.labels:
        return matching
    pairs = ((matching.labels[0], draw(st.sampled_from(vocabulary.labels))),)
    matching = replace(matching, on=True, renamed=pairs)
    if matching.cardinality in (Cardinality.ONE_TO_ONE, Cardinality.MANY_TO_MANY):
        return matching
    if draw(st.booleans()):
        matching = replace(matching, include=(), include_all=True)
    return replace(matching, prefix=draw(st.sampled_from(["", "x_", 'q"'])))


class _Extended(Drawing):
    """A drawing in which every second vector, range or text is one of an extension."""

    matchings = staticmethod(matchings_of_extensions)

    def __init__(self, draw: st.DrawFn, vocabulary: Vocabulary) -> None:
        super().__init__(draw, vocabulary)
        self._values: list[str] = []
        self._functions: list[str] = []
        """Names of `let` around the place: of vectors, and of functions of one vector."""

    def _bare(self, wanted: ValueType, depth: int) -> Expr:
        if wanted is ValueType.STRING and self._draw(st.booleans()):
            return Binary("+", Text(self._draw(ANY_TEXT)), Text("x"))
        return super()._bare(wanted, depth)

    def _matrix(self, depth: int) -> Expr:
        return self._extended_matrix(depth) if self._draw(st.booleans()) else super()._matrix(depth)

    def _vector(self, depth: int) -> Expr:
        if depth > 0 and self._draw(st.booleans()):
            return self._extended_vector(depth)
        return super()._vector(depth)

    def _argument(self, wanted: ValueType, depth: int) -> Expr:
        if wanted is ValueType.MATRIX:
            match self._draw(st.integers(0, 4)):
                case 0:
                    return self.of(ValueType.VECTOR, depth)
                case 1:
                    return self._lifted()
        return self.of(wanted, depth)

    def _lifted(self) -> Expr:
        selector = self._draw(vector_selectors(self._words, shifted=False))
        window = MatrixSelector(selector, self._draw(ranges()))
        number = self._draw(numbers)
        match self._draw(st.integers(0, 3)):
            case 0:
                return Call("clamp", (window, number, number))
            case 1:
                return joined("==", window, Call("union", (number, number)))
            case 2:
                return joined("*", number, Call("abs", (window,)))
            case _:
                op = self._draw(st.sampled_from([*ARITHMETIC, *sorted(COMPARISONS)]))
                return joined(op, window, number)

    def _closed(self, depth: int) -> Expr:
        """A vector to which `offset`, `@` and a range do not apply."""
        drawn = self.of(ValueType.VECTOR, depth)
        return drawn if isinstance(drawn, Aggregate | Call | Paren) else Paren(drawn)

    def _extended_matrix(self, depth: int) -> Expr:
        automatic = DurationReference("auto")
        if depth <= 0 or self._draw(st.booleans()):
            return MatrixSelector(self._draw(vector_selectors(self._words)), automatic)
        return Subquery(
            self._closed(depth - 1),
            automatic if self._draw(st.booleans()) else self._draw(ranges()),
            None,
            self._draw(st.none() | offsets()),
            self._draw(st.none() | moments()),
            implicit=True,
        )

    def _extended_vector(self, depth: int) -> Expr:
        names = [*self._values, *self._functions]
        match self._draw(st.integers(0, 9 if names else 7)):
            case 0:
                op = self._draw(st.sampled_from(sorted(EXTENSIONS)))
                left, right = self._operands(depth)
                matching = None
                if type_of_drawn(right) is ValueType.VECTOR:
                    matching = self._draw(matchings(self._words, op))
                return joined(op, left, right, matching=matching)
            case 1:
                at = self._draw(st.none() | moments_of_extensions())
                offset = self._draw(offsets() if at is None else st.none() | offsets())
                return Shifted(self._closed(depth - 1), offset, at)
            case 2:
                call = self._call(ValueType.VECTOR, depth)
                inner = call or Paren(signed("-", self._draw(vector_selectors(self._words))))
                return RetainNames(inner)
            case 3:
                aggregate = self._aggregate(depth)
                return replace(aggregate, limit=self._draw(st.integers(0, 10**6)))
            case 4:
                sets = st.lists(matchers(self._words), min_size=1, max_size=2).map(tuple)
                alternatives = self._draw(st.lists(sets, min_size=2, max_size=3))
                return VectorSelector("a", alternatives=tuple(alternatives))
            case 5:
                values = self._draw(st.lists(numbers, min_size=1, max_size=3))
                op = self._draw(st.sampled_from(["==", "!="]))
                operand = self.of(ValueType.VECTOR, depth - 1)
                return joined(op, operand, Call("union", tuple(values)))
            case 6:
                return Paren(self.let(depth - 1))
            case 7:
                return VectorSelector("a", at=self._draw(moments_of_extensions()))
            case _:
                name = self._draw(st.sampled_from(names))
                if name in self._values:
                    return VectorSelector(name)
                return Call(name, (self.of(ValueType.VECTOR, depth - 1),))

    def _operands(self, depth: int) -> tuple[Expr, Expr]:
        kinds = [self._draw(st.sampled_from([ValueType.VECTOR, ValueType.SCALAR])) for _ in "ab"]
        left, right = (self.of(kind, depth - 1) for kind in kinds)
        return left, right

    def let(self, depth: int) -> Expr:
        """A vector with a value, a function, a duration and conditions that have names."""
        level = len(self._values)
        value, function, width, filt = (f"{n}_{level}" for n in ("v", "f", "w", "c"))
        bindings = [Binding(value, self.of(ValueType.VECTOR, depth - 1))]
        self._values.append("x_of_function")
        bindings.append(Binding(function, self.of(ValueType.VECTOR, depth - 1), ("x_of_function",)))
        self._values[-1] = value
        self._functions.append(function)
        bindings.append(Binding(width, Number(self._draw(st.sampled_from([0.5, 300.0, 3600.0])))))
        conditions = VectorSelector(None, (self._draw(matchers(self._words)),))
        bindings.append(Binding(filt, conditions))
        use = VectorSelector("a", templates=(Template((VectorSelector(filt),)),))
        windowed = Call("sum_over_time", (MatrixSelector(use, DurationReference(width)),))
        body = joined("+", self.of(ValueType.VECTOR, depth - 1), windowed)
        self._values.pop()
        self._functions.pop()
        return Let(tuple(bindings), body)


def type_of_drawn(expr: Expr) -> ValueType:
    """The type of a vector or a scalar that was drawn, which may have names of `let`."""
    match expr:
        case Number():
            return ValueType.SCALAR
        case Paren(inner=inner) | Unary(operand=inner):
            return type_of_drawn(inner)
        case Binary(op=op, left=left, right=right):
            if op in EXTENSIONS:
                return ValueType.VECTOR
            scalars = type_of_drawn(left) is type_of_drawn(right) is ValueType.SCALAR
            return ValueType.SCALAR if scalars else ValueType.VECTOR
        case Call(function=name) if name in FUNCTIONS:
            return FUNCTIONS[name].returns
        case _:
            return ValueType.VECTOR


def moments_of_extensions() -> st.SearchStrategy[At]:
    shifts = st.integers(-(10**12), 10**12).filter(bool)
    return moments() | st.builds(At, st.sampled_from(AtEdge), shifts)


@st.composite
def extended_expressions(
    draw: st.DrawFn,
    value_type: ValueType | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    max_depth: int = 4,
) -> Expr:
    """As `well_typed_expressions`, with extensions."""
    wanted = value_type or draw(st.sampled_from(ValueType))
    drawing = _Extended(draw, vocabulary or Vocabulary())
    if wanted is ValueType.VECTOR and draw(st.booleans()):
        return drawing.let(max_depth)
    return drawing.of(wanted, max_depth)
