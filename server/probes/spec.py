"""The specification of a probe, in the form that a runner receives."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

HeaderName = Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderValue = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$")]
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def _named(pattern: re.Pattern[str]) -> AfterValidator:
    """Return a validator of the names of an object. A pattern of names in the schema would be
    unknown to generators of clients."""

    def check(found: dict[str, Any]) -> dict[str, Any]:
        for name in found:
            if not pattern.fullmatch(name):
                raise ValueError(f"{name!r:.80} is no valid name here")
        return found

    return AfterValidator(check)


Headers = Annotated[dict[str, HeaderValue], Field(max_length=50), _named(_HEADER)]
SecretValue = Annotated[str, Field(min_length=1, max_length=4096)]
Secrets = Annotated[dict[str, SecretValue], Field(max_length=50), _named(_SECRET)]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Kind = Literal["http", "tcp", "browser"]
Source = Literal["status", "body", "json", "header", "latency", "certificate", "dns"]
Operator = Literal[
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "matches",
    "not_matches",
    "less_than",
    "greater_than",
    "exists",
]
_TEXTS: frozenset[str] = frozenset(
    {"equals", "not_equals", "contains", "not_contains", "matches", "not_matches"}
)
_NUMBERS: frozenset[str] = frozenset({"equals", "not_equals", "less_than", "greater_than"})
_ALLOWED: dict[str, frozenset[str]] = {
    "status": _NUMBERS | {"matches", "not_matches"},
    "body": _TEXTS,
    "json": _TEXTS | _NUMBERS | {"exists"},
    "header": _TEXTS | {"exists"},
    "latency": frozenset({"less_than", "greater_than"}),
    "certificate": frozenset({"less_than", "greater_than"}),
    "dns": frozenset({"equals", "contains", "not_contains"}),
}


class Strict(BaseModel):
    """No unknown field, no NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Assertion(Strict):
    """A condition on the answer of a check."""

    source: Source = Field(
        description="`latency`: of the run, in milliseconds; `certificate`: days until it expires; "
        "`dns`: the addresses of the target's name"
    )
    op: Operator
    name: HeaderName | None = Field(None, description="of a header")
    path: Annotated[str, Field(min_length=1, max_length=500)] | None = Field(
        None, description="into a JSON body: `$.items[0].id`"
    )
    value: Annotated[str, Field(max_length=2000)] | float | bool | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.op not in _ALLOWED[self.source]:
            raise ValueError(f"{self.source} has no operator {self.op}")
        if (self.source == "header") != (self.name is not None):
            raise ValueError("a header, and nothing else, needs a name")
        if (self.source == "json") != (self.path is not None):
            raise ValueError("json, and nothing else, needs a path")
        if (self.op == "exists") != (self.value is None):
            raise ValueError("every operator except exists needs a value")
        if self.op in ("less_than", "greater_than") and not isinstance(self.value, float | int):
            raise ValueError(f"{self.op} needs a number")
        if self.op in ("contains", "not_contains", "matches", "not_matches") and not isinstance(
            self.value, str
        ):
            raise ValueError(f"{self.op} needs a text")
        return self


class HttpRequest(Strict):
    """What an HTTP check sends. Values may contain `{{NAME}}` for a secret."""

    method: Method = "GET"
    headers: Headers = Field(default_factory=dict)
    body: Annotated[str, Field(max_length=65_536)] = ""
    follow_redirects: bool = True


class TcpExchange(Strict):
    """The actions of a TCP check after it has connected."""

    tls: bool = False
    send: Annotated[str, Field(max_length=65_536)] = ""
    expect: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        None, description="a regular expression (RE2) that the answer has to match"
    )


class ProbeSpec(Strict):
    """One run of a check.

    timeout_s      of one attempt, in wall-clock time
    secrets        values for `{{NAME}}`
    retry_delay_s  wait before the second attempt; it doubles with each
    """

    kind: Kind
    target: str
    timeout_s: float = Field(gt=0)
    retries: int = Field(0, ge=0)
    retry_delay_s: float = Field(1.0, ge=0)
    max_body_bytes: int = Field(1 << 20, ge=1)
    max_redirects: int = Field(10, ge=0)
    request: HttpRequest = Field(default_factory=lambda: HttpRequest.model_validate({}))
    exchange: TcpExchange = Field(default_factory=lambda: TcpExchange.model_validate({}))
    assertions: list[Assertion] = Field(default_factory=list)
    steps: list[dict[str, Any]] = Field(default_factory=list)
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
