"""The reference of functions and aggregators: the registry, and the output of each example."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from docs.example_data import BEGIN, END, LOAD, STEP, output_of
from novaql.language.signatures import AGGREGATORS, FUNCTIONS, Aggregator, Origin, Signature
from novaql.language.signatures.dates import DATES
from novaql.language.signatures.histograms import HISTOGRAMS
from novaql.language.signatures.label_edits import LABEL_EDITS
from novaql.language.signatures.labels import LABELS
from novaql.language.signatures.metricsql_over_time import METRICSQL_OVER_TIME
from novaql.language.signatures.metricsql_rollups import METRICSQL_ROLLUPS
from novaql.language.signatures.novaql_functions import NOVAQL_FUNCTIONS
from novaql.language.signatures.over_time import OVER_TIME
from novaql.language.signatures.rollups import ROLLUPS
from novaql.language.signatures.transforms import TRANSFORMS
from novaql.language.signatures.whole_range import WHOLE_RANGE

SECTIONS: tuple[tuple[str, str, Mapping[str, Signature]], ...] = (
    (
        "Change over a range",
        "These functions take a range vector and return one value for each series.",
        ROLLUPS | METRICSQL_ROLLUPS,
    ),
    (
        "Summaries over a range",
        "These functions take a range vector and summarise its samples.",
        OVER_TIME | METRICSQL_OVER_TIME,
    ),
    (
        "Value by value",
        "These functions take an instant vector and change or order its values.",
        TRANSFORMS,
    ),
    (
        "Over the range of the query",
        "These functions take an instant vector; the value at one step depends on other steps.",
        WHOLE_RANGE,
    ),
    (
        "Labels",
        "These functions change label sets, or select by them, and leave values unchanged.",
        LABELS | LABEL_EDITS,
    ),
    (
        "Dates",
        "Parts of a time, in UTC or in a time zone. Without an argument, they use the evaluation "
        "time.",
        DATES,
    ),
    (
        "Objectives, seasons, correlation",
        "Neither PromQL nor MetricsQL has these functions.",
        NOVAQL_FUNCTIONS,
    ),
    ("Histograms", "Classic histograms are series with the label `le`.", HISTOGRAMS),
)


_HEADINGS: Mapping[Aggregator | Signature, str] = {
    **{row: row.form_of("instant vector") for row in AGGREGATORS.values()},
    **{row: f"{row} → {row.returns.value}" for row in FUNCTIONS.values()},
}
_UNSTABLE = {"now": "The output depends on the clock."}
"""Name of a function of which no output is shown → the reason."""


def functions() -> Iterator[str]:
    """Paragraphs of the page, below its title."""
    yield (
        f"{len(FUNCTIONS)} functions and {len(AGGREGATORS)} aggregators. This page is generated "
        "from the registry that the type checker reads, and the output of each example is what the "
        "engine returns. `GET /v1/novaql/functions` returns the registry as data."
    )
    yield (
        "Each entry names the language that defines the function, and how another language's "
        "function of the same name differs. Two differences are the same everywhere: in MetricsQL, "
        "NaN is no value, and a series ends after about its scrape interval."
    )
    for origin in Origin:
        links = ", ".join(
            f"[{row.name}](#{_anchor(heading)})"
            for row, heading in sorted(_HEADINGS.items(), key=lambda item: item[0].name)
            if row.origin is origin
        )
        yield f"{origin.value}: {links}."
    yield "## The data of the examples"
    yield (
        f"A sample a minute from {BEGIN} on, in the notation of Prometheus's test scripts: "
        "`0+60x60` is 0, 60, … 3600; `_x5` are five gaps; `stale` ends a series; `@st` has start "
        "timestamps, relative to their samples; `{{…}}` are native histograms."
    )
    yield f"```text\n{LOAD.strip()}\n```"
    yield (
        f"Examples are instant queries at {END}. Those whose functions look at other steps are "
        f"range queries from {BEGIN} to {END} in steps of {STEP}, with seven values for each "
        "series; `_` is no value. Fractions have six digits."
    )
    yield "## Aggregators"
    yield (
        "`by (labels)` groups by these labels, `without (labels)` by all others; with neither, all "
        "series are one group."
    )
    yield from map(_entry, AGGREGATORS.values())
    for title, introduction, rows in SECTIONS:
        yield f"## {title}"
        yield introduction
        yield from map(_entry, rows.values())
    listed = {name for _, _, rows in SECTIONS for name in rows}
    assert listed == set(FUNCTIONS), sorted(listed ^ set(FUNCTIONS))


def _anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _entry(row: Aggregator | Signature) -> str:
    origin = f"From {row.origin.value}{', experimental in Prometheus' if row.experimental else ''}."
    facts = f"{origin} {row.differences}".strip()
    example = f"```promql\n{row.example}\n```"
    output = _UNSTABLE.get(row.name) or f"```text\n{output_of(row)}\n```"
    return "\n\n".join([f"### `{_HEADINGS[row]}`", row.doc, facts, example, output])
