"""Models of answers that are errors, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class ErrorDetail(BaseModel):
    """One invalid field."""

    pointer: str = Field(description="JSON pointer into the body; empty for all of it")
    message: str


class ErrorBody(BaseModel):
    """The error. It has a position if the error is in a query text."""

    code: str = Field(description="stable; switch on this")
    message: str = Field(description="one sentence for a person")
    request_id: str = Field(pattern="^req_[0-7][0-9A-HJKMNP-TV-Z]{25}$")
    details: list[ErrorDetail] | None = None
    supported_versions: list[str] | None = Field(
        None, description="values of API-Version, with the code `invalid_api_version`"
    )
    line: int | None = Field(None, ge=1)
    column: int | None = Field(None, ge=1)
    length: int | None = Field(None, ge=1)
    suggestion: str | None = None
    picture: str | None = Field(None, description="the line of the query with carets below")


class ErrorEnvelope(BaseModel):
    """The body of every answer that is an error."""

    model_config = ConfigDict(title="ErrorEnvelope")
    error: ErrorBody


class PrometheusError(BaseModel):
    """The body of every answer of the Prometheus base that is an error."""

    status: str = Field(pattern="^error$")
    errorType: str
    error: str


class InfluxError(BaseModel):
    """The body of every answer at the paths of InfluxDB's API that is an error."""

    code: str
    message: str
    error: str = Field(description="the message again, for clients of version 1")


ERROR_MODELS: Mapping[str, type[BaseModel]] = {
    "": ErrorEnvelope,
    "Prometheus": PrometheusError,
    "Influx": InfluxError,
}
"""Format of errors (`bases.error_format`) → its model."""
