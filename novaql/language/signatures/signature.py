"""The signature of a function or aggregator: one row of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from novaql.language.value_types import ValueType

SCALAR = ValueType.SCALAR
VECTOR = ValueType.VECTOR
MATRIX = ValueType.MATRIX
STRING = ValueType.STRING


class Origin(StrEnum):
    """The language that defines a function. `strict_promql` refuses all but PromQL's."""

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
    doc           the result: meaning, units, what happens to NaN and absence
    example       a query that parses
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
    repeated: int | None = None

    @property
    def fewest_arguments(self) -> int:
        return len(self.arguments) - self.optional

    @property
    def most_arguments(self) -> int | None:
        """None: any number."""
        several = self.variadic or self.repeated is not None
        return self.most if several else len(self.arguments)

    def argument_type(self, index: int, count: int = 0) -> ValueType:
        """Type wanted at a position, from 0, of so many arguments."""
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
    parameter_name  what to call it
    returns_input_series    its results are input series with their labels, not groups
    origin          the language that defines it
    """

    name: str
    doc: str
    example: str
    parameter: ValueType | None = None
    parameter_name: str = ""
    returns_input_series: bool = False
    experimental: bool = False
    origin: Origin = Origin.PROMQL


def by_name(*rows: Signature) -> dict[str, Signature]:
    return {row.name: row for row in rows}
