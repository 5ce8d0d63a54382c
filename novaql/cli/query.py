"""`novaql query`: one query, answered in this process."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import click

from novaql import analyze, evaluate, explain, explain_nodes, query, query_options
from novaql.cli.options import (
    DURATION,
    data_argument,
    data_option,
    output_option,
    text_argument,
    time_options,
    times_of,
    zone_option,
)
from novaql.cli.output import Format, chosen_format, write_result
from novaql.cli.suggest import query_words
from novaql.evaluator import Profile
from novaql.opening import opened


@click.command("query")
@click.argument("expr", shell_complete=query_words)
@data_option
@time_options
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
@output_option("Write to this file; the suffix sets the format. -: standard output.")
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
    start: int | str | None,
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
    source, resolved, _ = opened(text, data_argument(data), **options)
    evaluate(text, source, resolved, profile=profile)
    nodes = profile.nodes(text)
    return json.dumps([asdict(n) | {"cost": None if c is None else asdict(c)} for n, c in nodes])
