"""The registry as plain data, as HTTP and other programs read it."""

from __future__ import annotations

from novaql.fast_dataclass import dataclass
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Aggregator, Origin, Signature
from novaql.language.signatures.parameters import Parameter, parameters_of
from novaql.language.value_types import ValueType


@dataclass(frozen=True, slots=True)
class FunctionEntry:
    """A function or an aggregator.

    kind         "function" or "aggregator"
    signature    as shown in messages, `round(instant vector, [scalar])`
    differences  how the function with this name in another language differs
    experimental  Prometheus hides it behind a feature flag
    """

    name: str
    kind: str
    origin: Origin
    signature: str
    parameters: tuple[Parameter, ...]
    returns: ValueType
    doc: str
    examples: tuple[str, ...]
    differences: tuple[str, ...] = ()
    experimental: bool = False


def function_entries() -> list[FunctionEntry]:
    """Return all functions and aggregators, by name."""
    rows: list[Signature | Aggregator] = [*FUNCTIONS.values(), *AGGREGATORS.values()]
    return [_entry(row) for row in sorted(rows, key=lambda row: row.name)]


def _entry(row: Signature | Aggregator) -> FunctionEntry:
    aggregator = isinstance(row, Aggregator)
    return FunctionEntry(
        row.name,
        "aggregator" if aggregator else "function",
        row.origin,
        row.form_of("instant vector") if isinstance(row, Aggregator) else str(row),
        parameters_of(row),
        ValueType.VECTOR if isinstance(row, Aggregator) else row.returns,
        row.doc,
        (row.example,),
        (row.differences,) if row.differences else (),
        row.experimental,
    )
