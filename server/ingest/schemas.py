"""What the doors of the Nova API take beside a body, and what they answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from novaql.server.http.shapes import Body


class IngestQuery(Body):
    """What a body of line protocol does not say itself."""

    precision: Literal["ns", "us", "ms", "s", "m", "h", "n", "u", "µ", "µs", ""] = Field(
        "ns", description="unit of the times of line protocol"
    )
    db: str = Field(
        "", description="value of the label db for the series of line protocol without such a tag"
    )


class IngestAnswer(BaseModel):
    """What a body brought; all of it is stored."""

    samples: int = Field(ge=0, description="samples that are numbers")
    histograms: int = Field(ge=0, description="native histograms")
    series: int = Field(ge=0, description="series that they belong to")
    overwritten: int = Field(
        ge=0,
        description="samples that a later one of the body replaced: same series and time, another "
        "value",
    )
