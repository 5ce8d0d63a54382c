"""The one registry of functions and aggregators: checker, completion and reference read it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from novaql.language.signatures.aggregations import AGGREGATIONS
from novaql.language.signatures.dates import DATES
from novaql.language.signatures.histograms import HISTOGRAMS
from novaql.language.signatures.label_edits import LABEL_EDITS
from novaql.language.signatures.labels import LABELS
from novaql.language.signatures.metricsql_over_time import METRICSQL_OVER_TIME
from novaql.language.signatures.metricsql_rollups import METRICSQL_ROLLUPS
from novaql.language.signatures.more_aggregations import MORE_AGGREGATIONS
from novaql.language.signatures.novaql_functions import NOVAQL_FUNCTIONS
from novaql.language.signatures.over_time import OVER_TIME
from novaql.language.signatures.rollups import ROLLUPS
from novaql.language.signatures.signature import Aggregator, Origin, Signature
from novaql.language.signatures.transforms import LIFTED, TRANSFORMS
from novaql.language.signatures.whole_range import WHOLE_RANGE

FUNCTIONS: Mapping[str, Signature] = MappingProxyType(
    ROLLUPS
    | OVER_TIME
    | TRANSFORMS
    | LABELS
    | LABEL_EDITS
    | DATES
    | HISTOGRAMS
    | WHOLE_RANGE
    | METRICSQL_ROLLUPS
    | METRICSQL_OVER_TIME
    | NOVAQL_FUNCTIONS
)
"""Name of a function → its signature."""

AGGREGATORS: Mapping[str, Aggregator] = MappingProxyType(AGGREGATIONS | MORE_AGGREGATIONS)
"""Name of an aggregator → its signature."""


def signature_of(name: str) -> Signature:
    """The signature of a function, whose name a query may write in any case."""
    return FUNCTIONS.get(name) or FUNCTIONS[name.lower()]


__all__ = [
    "AGGREGATORS",
    "FUNCTIONS",
    "LIFTED",
    "Aggregator",
    "Origin",
    "Signature",
    "signature_of",
]
