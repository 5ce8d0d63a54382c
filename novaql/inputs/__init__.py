"""Readers of all data other than databases, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.inputs.batch_stream import concat_batches as concat_batches
    from novaql.inputs.http.scrape import TargetReader as TargetReader
    from novaql.inputs.label_limits import USUAL_LIMITS as USUAL_LIMITS
    from novaql.inputs.label_limits import LabelLimits as LabelLimits
    from novaql.inputs.otlp.decoder import OtlpDecoder as OtlpDecoder
    from novaql.inputs.otlp.naming import OtlpLabels as OtlpLabels
    from novaql.inputs.otlp.naming import OtlpMetric as OtlpMetric
    from novaql.inputs.otlp.naming import OtlpResource as OtlpResource
    from novaql.inputs.read_options import ExposedOptions as ExposedOptions
    from novaql.inputs.relabelling import RelabelRule as RelabelRule
    from novaql.inputs.relabelling import relabelled as relabelled
    from novaql.inputs.remote_write.decoder import RemoteWriteDecoder as RemoteWriteDecoder
    from novaql.inputs.remote_write.histograms import Side as Side
    from novaql.inputs.remote_write.histograms import WireHistogram as WireHistogram
    from novaql.inputs.remote_write.histograms import columns_of as columns_of
    from novaql.inputs.remote_write.histograms import need_ascending as need_ascending
    from novaql.inputs.remote_write.histograms import need_equal as need_equal
    from novaql.inputs.remote_write.histograms import need_zero_threshold as need_zero_threshold
    from novaql.inputs.remote_write.v2 import Message2 as Message2
    from novaql.inputs.remote_write.v2 import Places as Places
    from novaql.inputs.remote_write.write_request import WriteRequest as WriteRequest
    from novaql.inputs.replaced_samples import overwritten as overwritten
    from novaql.inputs.sample_times import need_calendar as need_calendar
    from novaql.inputs.sample_times import out_of_range as out_of_range
    from novaql.inputs.tables.arrow_table import ArrowReader as ArrowReader
    from novaql.inputs.tables.column_roles import BY_NAME as BY_NAME
    from novaql.inputs.tables.column_roles import Layout as Layout
    from novaql.inputs.text.exposition import ExpositionParser as ExpositionParser
    from novaql.inputs.text.exposition import TextState as TextState
    from novaql.inputs.text.influx import InfluxParser as InfluxParser
    from novaql.inputs.text.influx import LineProblems as LineProblems
    from novaql.inputs.text.influx import precision_of as precision_of
    from novaql.inputs.text.influx_texts import joined_texts as joined_texts
    from novaql.inputs.text.json_lines import JsonLinesParser as JsonLinesParser
    from novaql.inputs.text.json_lines import short_lines as short_lines
    from novaql.inputs.text.json_memory import check_json_memory as check_json_memory
    from novaql.inputs.text.line_splitting import line_blocks as line_blocks
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "batch_stream": "concat_batches",
            "http.scrape": "TargetReader",
            "label_limits": "USUAL_LIMITS LabelLimits",
            "otlp.decoder": "OtlpDecoder",
            "otlp.naming": "OtlpLabels OtlpMetric OtlpResource",
            "read_options": "ExposedOptions",
            "relabelling": "RelabelRule relabelled",
            "remote_write.decoder": "RemoteWriteDecoder",
            "remote_write.histograms": (
                "Side WireHistogram columns_of need_ascending need_equal need_zero_threshold"
            ),
            "remote_write.v2": "Message2 Places",
            "remote_write.write_request": "WriteRequest",
            "replaced_samples": "overwritten",
            "sample_times": "need_calendar out_of_range",
            "tables.arrow_table": "ArrowReader",
            "tables.column_roles": "BY_NAME Layout",
            "text.exposition": "ExpositionParser TextState",
            "text.influx": "InfluxParser LineProblems precision_of",
            "text.influx_texts": "joined_texts",
            "text.json_lines": "JsonLinesParser short_lines",
            "text.json_memory": "check_json_memory",
            "text.line_splitting": "line_blocks",
        },
    )
