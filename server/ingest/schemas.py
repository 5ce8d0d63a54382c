"""What the doors of the Nova API answer."""

from __future__ import annotations

from pydantic import BaseModel, Field


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
