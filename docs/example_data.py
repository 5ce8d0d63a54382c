"""The samples that the examples of the function reference read, and what they give."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from novaql import query
from novaql.inputs.tables.table_source import TableSource
from novaql.language import parse
from novaql.language.signatures import Aggregator, Signature
from novaql.model.sample_batch import batch_of
from novaql.model.sample_notation import format_float
from novaql.promqltest.load_parser import read_load
from novaql.promqltest.step_invariance import depends_on_range
from novaql.promqltest.storage import Storage
from novaql.result import Result, ResultKind
from novaql.text import series_text
from novaql.timeparse import to_ms
from novaql.tsdb import Batch

BEGIN = "2026-01-01T00:00:00Z"
END = "2026-01-01T01:00:00Z"
STEP = "10m"
LOAD = """\
load 1m
  up{job="api",instance="host-1"} 1x60
  up{job="api",instance="host-2"} 1x29 0x9 1x20
  up{job="db",instance="host-3"} 1x39 stale _x5 1x14
  build_info{instance="host-1",version="8",build="8"} 1x60
  build_info{instance="host-3",version="7",build="1400"} 1x60
  target_info{job="api",instance="host-1",cluster="EU-1"} 1x60
  http_requests_total{job="api",instance="host-1",status="200"} 0+60x60
  http_requests_total{job="api",instance="host-2",status="200"} 0+90x29 0+120x30
  http_requests_total{job="api",instance="host-2",status="500"} 0x29 0+3x30
  http_requests_good_total{job="api"} 0+999x60
  http_requests_all_total{job="api"}@st-30s-1mx60
  http_requests_all_total{job="api"} 0+1000x60
  http_request_duration_seconds_bucket{job="api",le="0.1"} 0+40x60
  http_request_duration_seconds_bucket{job="api",le="0.2"} 0+70x60
  http_request_duration_seconds_bucket{job="api",le="0.5"} 0+90x60
  http_request_duration_seconds_bucket{job="api",le="+Inf"} 0+100x60
  rpc_duration_seconds{job="api"} {{buckets:[0 0 0]}}+{{sum:30 count:16 buckets:[4 8 4]}}x60
  size_bytes_bucket{vmrange="1.000e+01...1.136e+01"} 0+2x60
  size_bytes_bucket{vmrange="1.136e+01...1.292e+01"} 0+1x60
  process_start_time_seconds{instance="host-1"} 1764495123x60
  process_start_time_seconds{instance="host-2"} 1767139200x29 1767227400x30
  process_resident_memory_bytes{instance="host-1"} 8e8x60
  process_resident_memory_bytes{instance="host-2"} 6e8x60
  backup_size_bytes{instance="host-3"} _x10 4e9 _x50
  node_load1{instance="host-1"} 0.5+0.25x14 4-0.25x14 0.5+0.25x14 4-0.25x14 0.5
  node_load1{instance="host-2"} 2x55 9 2x3
  node_load5{instance="host-1"} 1+0.05x60
  node_filesystem_avail_bytes{instance="host-1"} 8e9-1e7x60
  node_filesystem_avail_bytes{instance="host-2"} 9e9-1e8x60
  node_filesystem_size_bytes{instance="host-1"} 1e10x60
  node_filesystem_size_bytes{instance="host-2"} 1e10x60
  cpu_temp_celsius{instance="host-1"} 40+0.5x50 65-1x9
  go_goroutines{job="api",instance="host-1"} 10+1x9 20-1x9 10+1x9 20-1x9 10+1x9 20-1x10
  go_goroutines{job="api",instance="host-2"} 14x60
  go_goroutines{job="api",instance="host-3"} 16x60
  go_goroutines{job="db",instance="host-4"} 80x59 95
  build_number{job="api",instance="host-1"} 7x39 8x20
  build_number{job="api",instance="host-2"} 7x60
  build_number{job="db",instance="host-3"} 7x60
  queue_length 0+2x19 40-3x9 10+1x30
  errors{job="api"} 0x9 2 0x39 1 0x8
  power_watts 100x29 250x30
  job:bad_requests:ratio_rate1h{job="api"} 0.004x60
"""


_DIFFERENT_AT_STEPS = {"rand", "rand_exponential", "rand_normal", "drop_empty_series"}


@cache
def batch() -> Batch:
    """The samples, with their start timestamps."""
    head, *lines = LOAD.splitlines()
    load = read_load(1, head, [(n, text.strip()) for n, text in enumerate(lines, 2)])
    loaded = Storage().with_load(load)
    samples = [
        (labels, time, sample)
        for labels, of_series in loaded.samples.items()
        for time, sample in of_series.items()
    ]
    begin = to_ms(BEGIN)
    starts = [loaded.starts.get(labels, {}).get(time) for labels, time, _ in samples]
    return batch_of(
        [(labels, begin + time, sample) for labels, time, sample in samples],
        [0 if start is None else begin + start for start in starts],
    )


@cache
def _source() -> TableSource:
    return TableSource(batch())


def times_of(row: Signature | Aggregator) -> dict[str, str]:
    """The time of a row's example: `END`, or, if it depends on the range of the query, the steps
    from `BEGIN` to `END`."""
    if row.name in _DIFFERENT_AT_STEPS or depends_on_range(row.example, parse(row.example)):
        return {"start": BEGIN, "end": END, "step": STEP}
    return {"time": END}


def result_of(row: Signature | Aggregator) -> Result:
    times: dict[str, Any] = times_of(row)
    return query(row.example, _source(), **times)


def output_of(row: Signature | Aggregator) -> str:
    """The result of a row's example, a line for each series, with a value for each step."""
    result = result_of(row)
    valid = np.ones(result.values.shape, bool) if result.valid is None else result.valid
    lines = []
    for labels, values, present in zip(result.series, result.values, valid, strict=True):
        numbers = " ".join(
            _number(value) if there else "_"
            for value, there in zip(values.tolist(), present, strict=True)
        )
        scalar = result.kind is ResultKind.SCALAR
        lines.append(numbers if scalar else f"{series_text(labels)} {numbers}")
    return "\n".join(lines)


def _number(value: float) -> str:
    """Six digits, but all of a whole number: the last bits of a fraction are not promised."""
    if not math.isfinite(value):
        return format_float(value)
    return f"{value:.15g}" if value.is_integer() else f"{value:.6g}"
