"""The signature of a function or aggregator: one row of the registry."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from novaql.fast_dataclass import dataclass
from novaql.language.value_types import ValueType

SCALAR = ValueType.SCALAR
VECTOR = ValueType.VECTOR
MATRIX = ValueType.MATRIX
STRING = ValueType.STRING


Item = TypeVar("Item")


class Origin(StrEnum):
    """The language that defines a function. `strict_promql` rejects all but PromQL's."""

    PROMQL = "PromQL"
    METRICSQL = "MetricsQL"
    NOVAQL = "NovaQL"


@dataclass(frozen=True, slots=True)
class Signature:
    """A function.

    arguments     types of the arguments, in order
    optional      how many of the last ones are optional
    variadic      the last one may be repeated
    repeated      place of another one that may be repeated; None: there is none
    most          how many arguments a variadic function takes at most, None: any number
    returns       type of the result
    experimental  Prometheus hides it behind a feature flag
    origin        the language that defines it
    promql_most   how many arguments PromQL takes, if more are an extension
    doc           the result: meaning, units, what happens to NaN and absence
    example       a query over the data of docs/example_data.py
    differences   how the function of this name in another language differs
    """

    name: str
    arguments: tuple[ValueType, ...]
    returns: ValueType
    doc: str
    example: str
    optional: int = 0
    variadic: bool = False
    most: int | None = None
    experimental: bool = False
    origin: Origin = Origin.PROMQL
    promql_most: int | None = None
    repeated: int | None = None
    differences: str = ""

    @property
    def fewest_arguments(self) -> int:
        return len(self.arguments) - self.optional

    @property
    def most_arguments(self) -> int | None:
        """None: any number."""
        several = self.variadic or self.repeated is not None
        return self.most if several else len(self.arguments)

    def argument_type(self, index: int, count: int = 0) -> ValueType:
        """Type expected at a position, from 0, for a number of arguments."""
        if self.repeated is not None:
            extra = max(count - len(self.arguments), 0)
            index = max(index - extra, min(index, self.repeated))
        return self.arguments[min(index, len(self.arguments) - 1)]

    def __str__(self) -> str:
        """`round(instant vector, [scalar])`"""
        shown = [t.value for t in self.arguments]
        for index in range(self.fewest_arguments, len(shown)):
            shown[index] = f"[{shown[index]}]"
        if self.variadic:
            shown.append("…")
        if self.repeated is not None:
            shown.insert(self.repeated + 1, "…")
        return f"{self.name}({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Aggregator:
    """An aggregation operator.

    parameter       type of the argument before the vector, None: there is none
    parameter_name  its name in signatures
    more            type of the arguments beyond: at least one of them between parameter and
                    vector (`more_first`), or at most one behind the vector; None: there are none
    more_name       their name in signatures
    returns_input_series    its results are input series with their labels, not groups
    origin          the language that defines it
    differences     how the aggregator of this name in another language differs
    """

    name: str
    doc: str
    example: str
    parameter: ValueType | None = None
    parameter_name: str = ""
    returns_input_series: bool = False
    experimental: bool = False
    origin: Origin = Origin.PROMQL
    more: ValueType | None = None
    more_name: str = ""
    more_first: bool = False
    differences: str = ""

    def form_of(self, vector: str) -> str:
        """`topk(k, v)`, where `vector` is `v`."""
        first = None if self.parameter is None else self.parameter_name
        further = () if self.more is None else (self.more_name,)
        if self.more is not None and not self.more_first:
            further = (f"[{self.more_name}]",)
        return f"{self.name}({', '.join(self.in_order(first, vector, further))})"

    @property
    def takes_several(self) -> bool:
        """Whether it takes several vectors and aggregates the series of all: `avg(a, b)`."""
        return self.parameter is None and self.more is None

    def takes(self, count: int) -> bool:
        """Whether this number of arguments is valid."""
        if self.takes_several:
            return count > 0
        fewest = 1 + (self.parameter is not None) + self.more_first
        most = fewest + (self.more is not None)
        return fewest <= count and (count <= most or self.more_first)

    def in_order(
        self, parameter: Item | None, operand: Item, more: tuple[Item, ...]
    ) -> tuple[Item, ...]:
        """Return the arguments in the order of the text."""
        first = () if parameter is None else (parameter,)
        return (*first, *more, operand) if self.more_first else (*first, operand, *more)


def by_name(*rows: Signature) -> dict[str, Signature]:
    return {row.name: row for row in rows}
