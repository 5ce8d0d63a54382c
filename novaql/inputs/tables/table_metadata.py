"""Type, help and unit of metrics in the metadata of a schema, where NovaQL writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from novaql.errors import InputError
from novaql.export.columns import METADATA_KEY
from novaql.tsdb.model.source import Metadata

if TYPE_CHECKING:
    import pyarrow as pa


def metadata_of(schema: pa.Schema, what: str) -> dict[str, Metadata]:
    """Empty for a file of another program. Raises `InputError` if it is damaged."""
    text = (schema.metadata or {}).get(METADATA_KEY)
    if text is None:
        return {}
    try:
        return {str(metric): _facts(facts) for metric, facts in orjson.loads(text).items()}
    except (ValueError, AttributeError) as problem:
        raise InputError(f"{what}: metadata of metrics: {problem}") from problem


def _facts(found: Any) -> Metadata:
    if not isinstance(found, list) or [*map(type, found)] != [str, str, str]:
        raise ValueError("a metric does not have type, help and unit")
    return Metadata(*found)
