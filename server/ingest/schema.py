"""Models of the query and the answer of POST /v1/ingest."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from novaql.server.http.shapes import Body


class IngestQuery(Body):
    """Options for line protocol."""

    precision: Literal["ns", "us", "ms", "s", "m", "h", "n", "u", "µ", "µs", ""] = Field(
        "ns", description="unit of the times of line protocol"
    )
    db: str = Field(
        "", description="value of the label db for the series of line protocol without such a tag"
    )


class IngestAnswer(BaseModel):
    """Counts of the stored body."""

    samples: int = Field(ge=0, description="samples that are numbers")
    histograms: int = Field(ge=0, description="native histograms")
    series: int = Field(ge=0, description="series that they belong to")
    overwritten: int = Field(
        ge=0,
        description="samples that a later one of the body replaced: same series and time, another "
        "value",
    )
