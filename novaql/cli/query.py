"""`novaql query`: one query, answered in this process."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import click

from novaql import analyze, evaluate, explain, explain_nodes, query, query_options
from novaql.cli.failures import note
from novaql.cli.options import (
    DURATION,
    TIME,
    data_argument,
    data_option,
    now_ms,
    text_argument,
    zone_option,
)
from novaql.cli.output import Format, chosen_format, write_result
from novaql.evaluator import Profile
from novaql.export.scale import round_step_ms
from novaql.inputs.resolve import as_source

WANTED_STEPS = 240


@click.command("query")
@click.argument("expr")
@data_option
@click.option("--time", "time_", type=TIME, help="Evaluate at this time. Default: now.")
@click.option("--start", type=TIME, help="Evaluate over a range from this time …")
@click.option("--end", type=TIME, help="… to this time. Default: now.")
@click.option("--step", type=DURATION, help="Interval between steps. Default: about 240 steps.")
@click.option("--lookback", type=DURATION, help="How long a sample stays visible. Default: 5m.")
@click.option(
    "--rollup",
    type=DURATION,
    help="Use rollups of this resolution: align windows to multiples of it.",
)
@click.option("--timeout", type=DURATION, help="Cancel the query after this time.")
@click.option(
    "--format",
    "format_",
    type=click.Choice([kind.value for kind in Format]),
    help="Default: table.",
)
@click.option(
    "--output", "-o", metavar="FILE", help="Write to this file; the suffix sets the format."
)
@click.option("--rows", type=click.IntRange(min=0), help="Series in a table; 0: all.")
@zone_option
@click.option("--strict", is_flag=True, help="Fail on damaged data instead of a warning.")
@click.option("--strict-promql", is_flag=True, help="Refuse extensions of PromQL.")
@click.option("--stats", is_flag=True, help="Print the cost of the query on stderr.")
@click.option(
    "--explain",
    "explain_",
    is_flag=False,
    flag_value="plan",
    type=click.Choice(["plan", "analyze"]),
    help="Print the plan instead of the answer; `analyze`: with the cost of each operator. "
    "With --format json: its nodes, with their places in the query.",
)
def command(
    expr: str,
    data: tuple[str, ...],
    time_: int | None,
    start: int | None,
    end: int | None,
    step: int | None,
    lookback: int | None,
    rollup: int | None,
    timeout: int | None,
    format_: str | None,
    output: str | None,
    rows: int | None,
    zone: ZoneInfo | None,
    strict: bool,
    strict_promql: bool,
    stats: bool,
    explain_: str | None,
) -> None:
    """Run a query; `-` reads it from standard input.

    \b
    novaql query up
    novaql query 'rate(http_requests_total[5m])' --start -1h --step 1m
    novaql query 'max_over_time(temperature[1d])' --data readings.parquet --time 2026-03-01
    """
    options: dict[str, Any] = {"strict": strict, **times_of(time_, start, end, step)}
    options["strict_promql"] = strict_promql
    durations = {"lookback": lookback, "rollup": rollup, "timeout": timeout}
    options |= {name: ms / 1000 for name, ms in durations.items() if ms is not None}
    text = text_argument(expr)
    form = chosen_format(format_, output)
    if explain_ is not None:
        click.echo(_explained(text, data, options, analyzed=explain_ == "analyze", form=form))
        return
    result = query(text, data_argument(data), **options)
    write_result(result, form, output, rows=rows, zone=zone)
    if time_ is None and start is None and len(result) == 0 and result.text is None:
        note("info", "nothing at this moment; --time or --start look at older data")
    if stats:
        cost = result.stats
        stages = ", ".join(f"{name} {1000 * s:.1f} ms" for name, s in cost.seconds.items())
        click.echo(f"{cost.series} series, {cost.samples} samples; {stages}", err=True)


def _explained(
    text: str, data: tuple[str, ...], options: dict[str, Any], *, analyzed: bool, form: Format
) -> str:
    """The plan as text, or as JSON: its nodes, with their places in the query."""
    if form is not Format.JSON:
        if analyzed:
            return analyze(text, data_argument(data), **options)
        return explain(text, query_options(**options))
    if not analyzed:
        return json.dumps([asdict(node) for node in explain_nodes(text, query_options(**options))])
    profile = Profile()
    evaluate(text, as_source(data_argument(data)), query_options(**options), profile=profile)
    nodes = profile.nodes(text)
    return json.dumps([asdict(n) | {"cost": None if c is None else asdict(c)} for n, c in nodes])


def times_of(
    time_: int | None, start: int | None, end: int | None, step: int | None
) -> dict[str, Any]:
    """Arguments of `query`, in seconds. Raises `click.UsageError` for a mix that makes no sense."""
    if start is None:
        if end is not None or step is not None:
            raise click.UsageError("--end and --step need --start")
        return {} if time_ is None else {"time": time_ / 1000}
    if time_ is not None:
        raise click.UsageError("--time is for one instant, --start for a range: give one of them")
    last = now_ms() if end is None else end
    if last < start:
        raise click.UsageError("--end is before --start")
    every = step or round_step_ms((last - start) / WANTED_STEPS)
    return {"start": start / 1000, "end": last / 1000, "step": every / 1000}
