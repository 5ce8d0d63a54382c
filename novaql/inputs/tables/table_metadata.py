"""Type, help and unit of metrics beside a table: NovaQL writes them into the schema's metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from novaql.errors import InputError
from novaql.export.columns import METADATA_KEY
from novaql.tsdb.model.source import Metadata

if TYPE_CHECKING:
    import pyarrow as pa


def metadata_of(schema: pa.Schema, what: str) -> dict[str, Metadata]:
    """Nothing, in a file of another program. Raises `InputError` where it is damaged."""
    text = (schema.metadata or {}).get(METADATA_KEY)
    if text is None:
        return {}
    try:
        return {str(metric): _facts(facts) for metric, facts in orjson.loads(text).items()}
    except (ValueError, AttributeError) as problem:
        raise InputError(f"{what}: metadata of metrics: {problem}") from problem


def _facts(said: Any) -> Metadata:
    if not isinstance(said, list) or [*map(type, said)] != [str, str, str]:
        raise ValueError("a metric does not have type, help and unit")
    return Metadata(*said)
