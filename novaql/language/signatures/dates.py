"""Functions of time: of the query, of samples, and parts of a date."""

from __future__ import annotations

from novaql.language.signatures.signature import (
    SCALAR,
    STRING,
    VECTOR,
    Origin,
    Signature,
    by_name,
)
from novaql.language.signatures.signature import Signature as Row


def _part(name: str, doc: str) -> Signature:
    return Row(
        name, (VECTOR, STRING), VECTOR,
        f"{doc} The values are Unix seconds, read in UTC, or in the IANA time zone that a second "
        "argument names, and cut to whole seconds; without an argument, the evaluation "
        "time. Every second that fits a signed 64-bit integer has a date, "
        "from the year -292277022399 to 292277026596; any other value (NaN, an infinity, a number "
        "beyond) becomes NaN.",
        f"{name}(process_start_time_seconds)",
        optional=2,
        promql_most=1,
        differences="PromQL and MetricsQL have UTC alone.",
    )  # fmt: skip


_PARTS = by_name(
    _part("minute", "Minute of the hour, 0 to 59."),
    _part("hour", "Hour of the day, 0 to 23."),
    _part("day_of_week", "Day of the week, 0 (Sunday) to 6."),
    _part("day_of_month", "Day of the month, 1 to 31."),
    _part("day_of_year", "Day of the year, 1 to 366."),
    _part("days_in_month", "Length of the month in days, 28 to 31."),
    _part("month", "Month of the year, 1 to 12."),
    _part("year", "The year."),
)

DATES = _PARTS | by_name(
    Row(
        "time", (), SCALAR,
        "The evaluation time in Unix seconds: of each step, not of the clock.",
        "time() - process_start_time_seconds",
    ),
    Row(
        "timestamp", (VECTOR,), VECTOR,
        "Time of each sample in Unix seconds if the argument is a plain selector, else the "
        "evaluation time.",
        "time() - timestamp(up)",
        differences="In MetricsQL, a function of a range.",
    ),
    Row(
        "start_timestamp", (VECTOR,), VECTOR,
        "Start time of each sample's counter in Unix seconds, where known. Only for a plain "
        "selector; nothing for any other argument.",
        "start_timestamp(http_requests_all_total)",
        experimental=True,
        differences="MetricsQL does not have it.",
    ),
    Row(
        "now", (), SCALAR,
        "The time of the clock when the query runs, in Unix seconds, the same at every step.",
        "now() - process_start_time_seconds",
        origin=Origin.METRICSQL,
    ),
    Row(
        "timezone_offset", (STRING,), SCALAR,
        "Seconds that clocks in the given IANA time zone are ahead of UTC at the evaluation time.",
        'vector(time() + timezone_offset("Europe/Berlin"))',
        origin=Origin.METRICSQL,
    ),
    Row(
        "start_of", (STRING, STRING), SCALAR,
        "start_of(unit, zone): when the minute, hour, day, week (from Monday), month, quarter or "
        "year of the evaluation time began, in Unix seconds, in the given IANA time zone, or UTC. "
        "Where clocks are set forward over the beginning, the time of the change; where they show "
        "it twice, the first one.",
        'time() - start_of("month", "Europe/Berlin")',
        optional=1,
        origin=Origin.NOVAQL,
    ),
    Row(
        "start", (), SCALAR,
        "First step of the query in Unix seconds.",
        "time() - start()",
        experimental=True,
    ),
    Row(
        "end", (), SCALAR,
        "Last step of the query in Unix seconds.",
        "end() - time()",
        experimental=True,
    ),
    Row(
        "range", (), SCALAR,
        "Length of the query in seconds, end() - start(); 0 in an instant query.",
        "vector(range())",
        experimental=True,
        differences="MetricsQL does not have it.",
    ),
    Row(
        "step", (), SCALAR,
        "Distance of the query's steps in seconds; 0 in an instant query.",
        "vector(step())",
        experimental=True,
    ),
)  # fmt: skip
