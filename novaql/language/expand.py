"""Surface tree → core tree: extensions of PromQL in terms of the core from which plans are built.

`let` is substituted: names have lexical scope, and a binding sees only those before it, so that
none refers to itself. Parts that do not change are the objects of the surface tree. Nodes have the
spans of the text that they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from novaql.errors import TypeProblem, UnknownName
from novaql.fast_dataclass import dataclass
from novaql.language.ast import (
    Aggregate,
    Binary,
    Binding,
    Call,
    Duration,
    Expr,
    Let,
    MatrixSelector,
    Member,
    Number,
    Paren,
    RetainNames,
    Shifted,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    left_spine,
)
from novaql.language.depth import MAX_DEPTH
from novaql.language.expand_arguments import (
    ARGUMENT_LABEL,
    Typed,
    united,
    vector_first,
    without_lists,
)
from novaql.language.expand_durations import AUTO, with_names
from novaql.language.expand_operators import as_vector, expanded_operation, unwrapped
from novaql.language.expand_selectors import merged, resolved
from novaql.language.fault import Fault
from novaql.language.lifted import is_constant
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, LIFTED
from novaql.language.value_types import ValueType
from novaql.language.visit import children
from novaql.span import Span

MAX_NODES = 20_000
"""Nodes of a core tree: functions of `let` can make a long query of a short text."""

MAX_CHARACTERS = 1_000_000
"""Characters of the texts that names of `let` and their functions put in."""

Extension = tuple[str, Span]
"""The name of an extension of PromQL, and the place where it is used."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A value of `let`, expanded.

    nodes       how many it has
    characters  of its text with the texts of names in it
    """

    tree: Expr
    type: ValueType
    nodes: int
    characters: int


@dataclass(frozen=True, slots=True)
class _Function:
    """A function of `let`, with the names that its body may use."""

    binding: Binding
    scope: Scope


Scope = Mapping[str, _Value | _Function]


def expand(expr: Expr, extensions: list[Extension]) -> Expr:
    """Return the core tree of a surface tree; append the extensions of PromQL that are found.

    Raises `Fault` if a name of `let` is used as something else than it is.
    """
    return _Expansion(extensions).tree(expr, {})[0]


def _length(expr: Expr) -> int:
    """Characters of the text of an expression."""
    return expr.span.end - expr.span.start


class _Expansion:
    def __init__(self, extensions: list[Extension]) -> None:
        self._extensions = extensions
        self._nodes = 0
        self._characters = 0
        self._depth = 0
        self._running: list[str] = []
        """Functions of `let` whose bodies are being expanded."""

    def tree(self, expr: Expr, scope: Scope) -> tuple[Expr, ValueType]:
        """The core tree of a part of the surface tree, and its type if it has one."""
        self._count(1, expr.span)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Fault(f"the query is nested more than {MAX_DEPTH} levels deep", expr.span)
        found = self._tree(expr, scope)
        self._depth -= 1
        return found

    def _count(self, nodes: int, span: Span, *, characters: int = 0) -> None:
        self._nodes += nodes
        self._characters += characters
        put_in = "with its names put in, the query"
        if self._nodes > MAX_NODES:
            raise Fault(f"{put_in} has more than {MAX_NODES} parts", span)
        if self._characters > MAX_CHARACTERS:
            raise Fault(f"{put_in} is longer than {MAX_CHARACTERS} characters", span)

    def _note(self, extension: str, span: Span) -> None:
        self._extensions.append((extension, span))

    def _tree(self, expr: Expr, scope: Scope) -> tuple[Expr, ValueType]:
        match expr:
            case Number():
                return expr, ValueType.SCALAR
            case Text():
                return expr, ValueType.STRING
            case VectorSelector():
                return self._selector(expr, scope)
            case MatrixSelector():
                return self._matrix(expr, scope)
            case Subquery():
                return self._subquery(expr, scope), ValueType.MATRIX
            case Paren(inner=inner) | RetainNames(inner=inner):
                new, kind = self.tree(inner, scope)
                return (expr if new is inner else replace(expr, inner=new)), kind
            case Shifted(inner=inner, offset=offset):
                new, kind = self.tree(inner, scope)
                return replace(expr, inner=new, offset=self._shift(offset, scope)), kind
            case Unary(operand=operand):
                new, kind = self.tree(operand, scope)
                return (expr if new is operand else replace(expr, operand=new)), kind
            case Member(operand=operand):
                new, kind = self.tree(operand, scope)
                return replace(expr, operand=new), kind
            case Binary():
                return self._chain(expr, scope)
            case Aggregate():
                return self._aggregate(expr, scope), ValueType.VECTOR
            case Call():
                return self._call(expr, scope)
            case Let():
                return self._let(expr, scope)
            case _:
                assert_never(expr)

    # --- names -----------------------------------------------------------------------------------

    def _let(self, expr: Let, scope: Scope) -> tuple[Expr, ValueType]:
        names = dict(scope)
        for binding in expr.bindings:
            if binding.parameters is not None:
                names[binding.name] = _Function(binding, dict(names))
                continue
            names[binding.name] = self._value(binding.value, names)
        return self.tree(expr.body, names)

    def _value(self, expr: Expr, scope: Scope) -> _Value:
        nodes, characters = self._nodes, self._characters
        tree, kind = self.tree(expr, scope)
        length = _length(expr) + self._characters - characters
        return _Value(tree, kind, self._nodes - nodes, length)

    def _looked_up(self, name: str | None, scope: Scope, span: Span) -> _Value | None:
        found = scope.get(name) if name is not None else None
        if isinstance(found, _Function):
            raise Fault(
                f"{found.binding.name} is a function here",
                span,
                kind=TypeProblem,
                suggestion=f"call it: {found.binding.name}(…)",
            )
        if found is not None:
            self._count(found.nodes, span, characters=found.characters)
        return found

    def _applied(self, expr: Call, function: _Function, scope: Scope) -> tuple[Expr, ValueType]:
        parameters = function.binding.parameters
        assert parameters is not None
        if len(parameters) != len(expr.arguments):
            raise Fault(
                f"{expr.function}() takes {len(parameters)} argument"
                f"{'' if len(parameters) == 1 else 's'}, got {len(expr.arguments)}",
                expr.span,
                kind=TypeProblem,
            )
        arguments = [self._value(argument, scope) for argument in expr.arguments]
        inside = {**function.scope, **dict(zip(parameters, arguments, strict=True))}
        self._running.append(expr.function)
        body = function.binding.value
        self._count(0, expr.span, characters=_length(body))
        found = self.tree(body, inside)
        self._running.pop()
        return found

    # --- selectors -------------------------------------------------------------------------------

    def _selector(self, expr: VectorSelector, scope: Scope) -> tuple[Expr, ValueType]:
        found = self._looked_up(expr.name, scope, expr.span)
        own = self._conditions(expr, scope)
        if found is None:
            return own, ValueType.VECTOR
        shifted = expr.offset is not None or expr.at is not None
        plain = replace(own, offset=None, at=None)
        tree = found.tree
        if plain != VectorSelector(expr.name):
            tree = merged(found.tree, plain)
        if not shifted:
            return tree, found.type
        return Shifted(tree, own.offset, own.at, span=expr.span), found.type

    def _conditions(self, expr: VectorSelector, scope: Scope) -> VectorSelector:
        """The selector without names of `let` in its braces and in its offset."""
        offset = self._shift(expr.offset, scope)
        if offset is not expr.offset:
            expr = replace(expr, offset=offset)
        if not expr.templates:
            return expr
        return resolved(expr, lambda name: self._named_tree(name, scope))

    def _named_tree(self, name: VectorSelector, scope: Scope) -> Expr | None:
        found = self._looked_up(name.name, scope, name.span)
        return None if found is None else found.tree

    def _matrix(self, expr: MatrixSelector, scope: Scope) -> tuple[Expr, ValueType]:
        selector, length = expr.selector, self._duration(expr.range, scope, auto=True)
        found = self._looked_up(selector.name, scope, selector.span)
        own = self._conditions(selector, scope)
        if found is None:
            if own is selector and length is expr.range:
                return expr, ValueType.MATRIX
            return replace(expr, selector=own, range=length), ValueType.MATRIX
        base, _ = self._selector(replace(selector, offset=None, at=None), scope)
        tree: Expr
        match unwrapped(base):
            case VectorSelector() as bare:
                tree = MatrixSelector(bare, length, span=expr.span)
            case MatrixSelector() | Subquery():
                raise Fault(f"{selector.name} has a range already", expr.span, kind=TypeProblem)
            case _:
                tree = Subquery(base, length, implicit=True, span=expr.span)
        if own.offset is not None or own.at is not None:
            tree = Shifted(tree, own.offset, own.at, span=expr.span)
        return tree, ValueType.MATRIX

    def _subquery(self, expr: Subquery, scope: Scope) -> Expr:
        inner = as_vector(*self.tree(expr.inner, scope), self._note)
        new = replace(
            expr,
            inner=inner,
            range=self._duration(expr.range, scope, auto=True),
            step=self._shift(expr.step, scope),
            offset=self._shift(expr.offset, scope),
        )
        return expr if inner is expr.inner and new == expr else new

    def _duration(self, duration: Duration, scope: Scope, *, auto: bool = False) -> Duration:
        return with_names(duration, lambda name: self._named_tree(name, scope), auto=auto)

    def _shift(self, duration: Duration | None, scope: Scope) -> Duration | None:
        return None if duration is None else self._duration(duration, scope)

    # --- operators and calls ---------------------------------------------------------------------

    def _chain(self, expr: Binary, scope: Scope) -> tuple[Expr, ValueType]:
        spine = left_spine(expr)
        left, kind = self.tree(spine[0].left, scope)
        for node in spine:
            right, right_kind = self.tree(node.right, scope)
            same = left is node.left and right is node.right
            new = node if same else replace(node, left=left, right=right)
            left, kind = expanded_operation(new, kind, right_kind, self._note)
        return left, kind

    def _aggregate(self, expr: Aggregate, scope: Scope) -> Expr:
        operand, kind = self.tree(expr.operand, scope)
        parameter = None if expr.parameter is None else self.tree(expr.parameter, scope)[0]
        more = tuple(self.tree(argument, scope) for argument in expr.more)
        if more and AGGREGATORS[expr.op].more is None:
            return self._aggregate_of_several(expr, [(operand, kind), *more])
        operand = as_vector(operand, kind, self._note)
        new = replace(
            expr, operand=operand, parameter=parameter, more=tuple(m for m, _ in more), limit=None
        )
        if expr.limit is None:
            same = zip(children(new), children(expr), strict=True)
            return expr if all(a is b for a, b in same) else new
        return self._limited(expr, new)

    def _aggregate_of_several(self, expr: Aggregate, operands: list[Typed]) -> Expr:
        """`avg(a, b)`, of the series of both."""
        self._note(f"a further argument of {expr.op}", expr.more[0].span)
        operand = united(expr.op, operands)
        grouping = (*expr.grouping, ARGUMENT_LABEL) if expr.without else expr.grouping
        new = replace(expr, operand=operand, more=(), grouping=grouping, limit=None)
        if AGGREGATORS[expr.op].returns_input_series:
            label = Text(ARGUMENT_LABEL, span=expr.span)
            return self._limited(expr, Call("label_del", (new, label), span=expr.span))
        return self._limited(expr, new)

    def _limited(self, expr: Aggregate, new: Expr) -> Expr:
        if expr.limit is None:
            return new
        limits = Number(float(expr.limit), span=expr.span), Number(0.0, span=expr.span)
        return Call("limit_offset", (*limits, new), span=expr.span)

    def _call(self, expr: Call, scope: Scope) -> tuple[Expr, ValueType]:
        bound = scope.get(expr.function)
        if isinstance(bound, _Function):
            return self._applied(expr, bound, scope)
        if bound is not None:
            raise Fault(
                f"{expr.function} is a value here and takes no arguments",
                expr.name_span,
                kind=TypeProblem,
            )
        signature = FUNCTIONS.get(expr.function)
        if signature is None and (signature := FUNCTIONS.get(expr.function.lower())) is not None:
            self._note("the case of a function's name", expr.name_span)
            expr = replace(expr, function=signature.name)
        if signature is None:
            if expr.function in self._running:
                raise Fault(
                    f"{expr.function}() calls itself",
                    expr.name_span,
                    kind=UnknownName,
                    suggestion="a function of let can use only what is defined before it",
                )
            return expr, ValueType.VECTOR  # the checker rejects it
        typed: list[Typed] = []
        for index, argument in enumerate(expr.arguments):
            labels_of_info = expr.function == "info" and index == 1
            typed.append(
                (argument, ValueType.VECTOR) if labels_of_info else self.tree(argument, scope)
            )
        typed = without_lists(signature, typed)
        in_order = vector_first(expr.function, typed)
        if in_order is not typed:
            self._note("the order of arguments of histogram_quantiles()", expr.span)
        arguments: list[Expr] = []
        lifted = False
        for index, (tree, kind) in enumerate(in_order):
            wanted = None
            if signature.arguments:
                wanted = signature.argument_type(index, len(in_order))
            changes = kind is ValueType.SCALAR and not is_constant(tree)
            if wanted is ValueType.MATRIX and (changes or kind is ValueType.VECTOR):
                tree = self._ranged(as_vector(tree, kind, self._note))
            elif index == 0 and kind is ValueType.MATRIX and expr.function in LIFTED:
                lifted = True
            elif wanted is ValueType.VECTOR:
                tree = as_vector(tree, kind, self._note)
            arguments.append(tree)
        same = list(map(id, arguments)) == list(map(id, expr.arguments))
        new = expr if same else replace(expr, arguments=tuple(arguments))
        if lifted and isinstance(points := unwrapped(arguments[0]), Subquery):
            self._note("an operation on the samples of a range", expr.span)
            inner = replace(new, arguments=(points.inner, *arguments[1:]))
            return replace(points, inner=inner, span=expr.span), ValueType.MATRIX
        return new, ValueType.MATRIX if lifted else signature.returns

    def _ranged(self, tree: Expr) -> Expr:
        """An instant vector as the range vector that a function expects."""
        self._note("a range vector without a range", tree.span)
        match unwrapped(tree):
            case VectorSelector() as selector:
                return MatrixSelector(selector, replace(AUTO, span=tree.span), span=tree.span)
            case _:
                return Subquery(tree, replace(AUTO, span=tree.span), implicit=True, span=tree.span)
