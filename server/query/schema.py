"""Request and response models of POST /v1/novaql and its tools."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

Time = float | int | str
Span = Annotated[float, Field(ge=0)] | Annotated[int, Field(ge=0)] | str
Parameter = StrictStr | StrictInt | StrictFloat
Number = float | Literal["NaN", "+Inf", "-Inf"]


Parameters = Annotated[
    dict[str, Parameter | list[StrictStr | StrictInt]] | None,
    Field(
        description="values of `$name` outside of quotes in the query; a list only behind `=~`",
        examples=[{"host": "db-1", "window": "5m"}],
    ),
]


class _Answer(BaseModel):
    """The shape of an answer. Only the OpenAPI document needs it, so pydantic builds it late."""

    model_config = ConfigDict(defer_build=True)


class NovaqlRequest(BaseModel):
    """A query at one `time`, or at `start`, `start + step`, … up to `end`.

    `time` and `end` are now by default, and `step` a round duration of which there are about 240.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    query: str = Field(description="PromQL, or more", examples=["sum by (job) (rate(up[5m]))"])
    params: Parameters = None
    time: Time | None = Field(None, description="Unix seconds, RFC 3339, or relative like `-1h`")
    start: Time | None = None
    end: Time | None = None
    step: Span | None = Field(None, description="a duration like `1m`, or seconds")
    timeout: Span | None = Field(None, description="a duration, or seconds")
    lookback: Span | None = Field(
        None, description="how long a sample stays visible to an instant selector; default `5m`"
    )
    rollup: Span | None = Field(
        None,
        description="a duration: rollups of this resolution may answer, windows begin and end at "
        "multiples of it",
    )
    limit: int | None = Field(None, ge=0, description="return only the first N series; 0: all")
    explain: bool | Literal["analyze"] = Field(
        False,
        description="add the plan as text; `analyze`: with what each operator cost",
    )
    nocache: bool = Field(False, description="do not use the result cache")
    strict_promql: bool = Field(
        False, description="refuse what is no PromQL: the extensions of the language"
    )
    format: Literal["json", "csv", "arrow"] | None = Field(
        None, description="wins over the Accept header"
    )
    layout: Literal["long", "wide"] = Field(
        "long",
        description="Arrow only: `long` has a row for each sample; `wide` has a row for each time "
        "and a column for each series, without native histograms, and takes fewer bytes if there "
        "are many times",
    )
    guard_formulas: bool = Field(
        False,
        description="CSV only: an apostrophe precedes texts that a spreadsheet would evaluate",
    )


class QueryStatsOut(_Answer):
    """Costs of the query."""

    series: int
    samples: int
    bytes: int
    ms: dict[str, float] = Field(description="milliseconds by stage")


class WindowOut(_Answer):
    """The times of the query, in seconds. `step` is 0 for an instant query."""

    start: float
    end: float
    step: float
    lookback: float


class HistogramOut(_Answer):
    """A native histogram."""

    count: Number
    sum: Number
    buckets: list[tuple[int, Number, Number, Number]] | None = Field(
        None,
        description="populated buckets: which ends belong to it (0: the upper, 1: the lower, "
        "2: neither, 3: both), lower and upper end, population",
    )


class SeriesOut(_Answer):
    """One series: `values` in a matrix, `value` in a vector; `histograms`, `histogram` likewise."""

    metric: dict[str, str]
    values: list[tuple[float, Number]] | None = None
    value: tuple[float, Number] | None = None
    histograms: list[tuple[float, HistogramOut]] | None = None
    histogram: tuple[float, HistogramOut] | None = None


class NovaqlAnswer(_Answer):
    """The JSON answer to a query."""

    result_type: Literal["matrix", "vector", "scalar", "string"]
    result: list[SeriesOut] | tuple[float, Number | str]
    warnings: list[str]
    infos: list[str]
    stats: QueryStatsOut
    window: WindowOut
    explain: str | None = Field(None, description="the plan after each rule, if requested")


class QueryText(BaseModel):
    """The text of a query."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    query: str = Field(max_length=100_000, description="PromQL, or more")


class FormatQuery(QueryText):
    """A query, and how to write it."""

    style: Literal["nested", "pipes"] = Field(
        "nested", description="`f(x)`, or functions on top of the query as `x |> f`"
    )


class TimedQuery(QueryText):
    """A query, its parameters and the times of its evaluation, as for POST /v1/novaql."""

    params: Parameters = None
    time: Time | None = None
    start: Time | None = None
    end: Time | None = None
    step: Span | None = None
    lookback: Span | None = None


class LintQuery(QueryText):
    """A query, and the time range of the types, labels and series that the linter looks up."""

    start: Time | None = Field(None, description="absent: since ever")
    end: Time | None = Field(None, description="absent: for ever")
    data: bool = Field(True, description="false: diagnose by the query text alone")


class CompleteQuery(QueryText):
    """An incomplete query, and the position of the cursor."""

    cursor: int | None = Field(None, ge=0, description="in characters; absent: at the end")
    start: Time | None = Field(None, description="series without samples since then are left out")
    end: Time | None = None
    limit: int = Field(50, ge=1, le=500)


class SelectorOut(_Answer):
    """A selector of a query, and its position."""

    text: str
    metric: str | None
    line: int
    column: int
    length: int


class ParsedOut(_Answer):
    """Syntax tree, type, selectors and functions of a query."""

    type: Literal["scalar", "vector", "matrix", "string"]
    ast: dict[str, Any] = Field(
        description="the tree as written, as Prometheus's parse_query shows it; names of `let` "
        "are put in"
    )
    selectors: list[SelectorOut]
    functions: list[str] = Field(description="functions and aggregations in it, sorted")


class FormattedOut(_Answer):
    """The query in its canonical form."""

    query: str


class PlanNodeOut(_Answer):
    """A node of a plan, and the characters of the query that it comes from."""

    number: int = Field(description="its place in the list; the root is 0")
    kind: str
    text: str = Field(description="as in the plan's text, without the nodes below")
    start: int
    end: int
    line: int
    column: int
    children: list[int] = Field(description="numbers of the nodes below")


class ExplainedOut(_Answer):
    """The plan of a query."""

    plan: str = Field(description="after each rule, the first first")
    nodes: list[PlanNodeOut] = Field(description="of the plan after all rules, parents first")


class CauseOut(_Answer):
    """A part of a query without data, and why."""

    reason: Literal[
        "metric", "matcher", "range", "samples", "comparison", "join", "excluded", "function"
    ]
    message: str
    part: str
    start: int
    end: int
    line: int
    column: int
    suggestions: list[str] = Field(description="the nearest that have data, the best first")
    data_range: tuple[float, float] | None = Field(
        description="first and last time of the series, in seconds, if the range is the reason"
    )
    left: list[dict[str, str]] = Field(
        description="examples of label sets, if a join is the reason"
    )
    right: list[dict[str, str]]


class WhyEmptyOut(_Answer):
    """Why a query has no result."""

    empty: bool = Field(description="false: the query has a result")
    causes: list[CauseOut]
    complete: bool = Field(description="false: the query has more parts than were evaluated")


class ParameterOut(_Answer):
    """A parameter of a function."""

    name: str
    type: Literal["scalar", "instant vector", "range vector", "string"]
    meaning: str
    optional: bool
    repeated: bool = Field(description="it may occur several times")


class FunctionOut(_Answer):
    """A function or an aggregator."""

    name: str
    kind: Literal["function", "aggregator"]
    origin: Literal["PromQL", "MetricsQL", "NovaQL"]
    signature: str
    parameters: list[ParameterOut]
    returns: Literal["scalar", "instant vector", "range vector", "string"]
    doc: str
    examples: list[str]
    differences: list[str] = Field(
        description="how another language's function of this name differs"
    )
    experimental: bool = Field(description="Prometheus hides it behind a feature flag")


class FunctionsOut(_Answer):
    """All functions and aggregators of the language, by name."""

    functions: list[FunctionOut]


class FindingOut(_Answer):
    """A probable mistake, and its position."""

    rule: str
    severity: Literal["error", "warning", "info"]
    message: str
    suggestion: str | None
    line: int
    column: int
    length: int


class LintedOut(_Answer):
    """Probable mistakes in a query; may be empty."""

    findings: list[FindingOut]


class CompletionOut(_Answer):
    """A completion, which replaces the characters from `start` to `end`."""

    kind: Literal[
        "name",
        "metric",
        "function",
        "aggregator",
        "label",
        "value",
        "keyword",
        "duration",
        "text",
    ]
    text: str
    start: int
    end: int
    detail: str
    doc: str


class CompletedOut(_Answer):
    """Completions, the best first."""

    completions: list[CompletionOut]
