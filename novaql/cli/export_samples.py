"""`novaql export`: samples of a database as a file."""

from __future__ import annotations

import sys

import click

from novaql.cli.failures import note
from novaql.cli.options import TIME, data_argument, data_option, output_option
from novaql.cli.suggest import query_words
from novaql.diagnosis import selector_hints
from novaql.inputs.resolve import as_source
from novaql.saving import SUFFIXES, TABLES, SampleFormat, save
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS


@click.command("export")
@click.argument("matchers", nargs=-1, metavar="[SELECTOR]...", shell_complete=query_words)
@data_option
@output_option("Default, and -: standard output.")
@click.option(
    "--format",
    "format_",
    type=click.Choice([kind.value for kind in SampleFormat]),
    help=f"Default: by the suffix of the file: {', '.join(SUFFIXES)}.",
)
@click.option("--start", type=TIME, help="Only samples from this time on.")
@click.option("--end", type=TIME, help="Only samples until this time.")
@click.option("--wide", is_flag=True, help="A column for each metric (Parquet, Arrow).")
@click.option(
    "--skip-damaged", is_flag=True, help="Write the readable samples of a damaged database."
)
def command(
    matchers: tuple[str, ...],
    data: tuple[str, ...],
    output: str | None,
    format_: str | None,
    start: int | None,
    end: int | None,
    wide: bool,
    skip_damaged: bool,
) -> None:
    """Write samples to a file: all, or those of series that match any selector.

    \b
    novaql export -o metrics.parquet
    novaql export '{job="api"}' --start -1d -o api.csv
    novaql export up --format openmetrics > up.om

    Parquet and Arrow preserve everything except exemplars. Text formats omit native histograms,
    start timestamps and staleness markers. `novaql query --data FILE` and `novaql import` read all
    formats.
    """
    if output is None and format_ is None:
        raise click.UsageError("name a file with --output, or a format with --format")
    if output is None and format_ in TABLES and sys.stdout.isatty():
        raise click.UsageError(f"{format_} is not for a terminal: use --output FILE, or a pipe")
    window = MIN_TIME_MS if start is None else start, MAX_TIME_MS if end is None else end
    target = sys.stdout.buffer if output is None else output
    source = as_source(data_argument(data))
    done = save(
        source,
        target,
        match=matchers,
        start=None if start is None else start / 1000,
        end=None if end is None else end / 1000,
        format=format_,
        layout="wide" if wide else "long",
        strict=not skip_damaged,
    )
    sys.stdout.flush()
    for text in done.read_errors:
        note("warning", text)
    if done.left_out:
        note("info", f"{done.left_out} samples have no place in this format: native histograms, "
             "staleness markers")  # fmt: skip
    if not done.samples:
        for text in selector_hints(matchers, source, *window):
            note("info", text)
    if output is not None:
        samples = "1 sample" if done.samples == 1 else f"{done.samples} samples"
        click.echo(f"exported {samples} of {done.series} series into {output}")
