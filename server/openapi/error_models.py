"""Models of answers that are errors, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class ErrorDetail(BaseModel):
    """One field that is wrong."""

    pointer: str = Field(description="JSON pointer into the body; empty for all of it")
    message: str


class ErrorBody(BaseModel):
    """What went wrong. The position is there when a query text is at fault."""

    code: str = Field(description="stable; switch on this")
    message: str = Field(description="one sentence for a person")
    request_id: str = Field(pattern="^req_[0-7][0-9A-HJKMNP-TV-Z]{25}$")
    details: list[ErrorDetail] | None = None
    line: int | None = Field(None, ge=1)
    column: int | None = Field(None, ge=1)
    length: int | None = Field(None, ge=1)
    suggestion: str | None = None
    picture: str | None = Field(None, description="the line of the query with carets below")


class ErrorEnvelope(BaseModel):
    """Every answer that is no success."""

    model_config = ConfigDict(title="ErrorEnvelope")
    error: ErrorBody


class PrometheusError(BaseModel):
    """Every answer of the Prometheus base that is no success."""

    status: str = Field(pattern="^error$")
    errorType: str
    error: str


class InfluxError(BaseModel):
    """Every answer at the paths of InfluxDB's API that is no success."""

    code: str
    message: str
    error: str = Field(description="the message again, for clients of version 1")


ERROR_MODELS: Mapping[str, type[BaseModel]] = {
    "": ErrorEnvelope,
    "Prometheus": PrometheusError,
    "Influx": InfluxError,
}
"""Format of errors (`bases.error_format`) → its model."""
