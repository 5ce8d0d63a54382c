"""Everything that is not a database, read as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.inputs.arrow_table import ArrowReader as ArrowReader
    from novaql.inputs.batch_stream import concat_batches as concat_batches
    from novaql.inputs.exposed_options import ExposedOptions as ExposedOptions
    from novaql.inputs.exposition import ExpositionParser as ExpositionParser
    from novaql.inputs.exposition import TextState as TextState
    from novaql.inputs.influx import InfluxParser as InfluxParser
    from novaql.inputs.influx import LineProblems as LineProblems
    from novaql.inputs.influx import precision_of as precision_of
    from novaql.inputs.json_lines import JsonLinesParser as JsonLinesParser
    from novaql.inputs.json_lines import short_lines as short_lines
    from novaql.inputs.json_memory import check_json_memory as check_json_memory
    from novaql.inputs.label_limits import USUAL_LIMITS as USUAL_LIMITS
    from novaql.inputs.label_limits import LabelLimits as LabelLimits
    from novaql.inputs.layout import BY_NAME as BY_NAME
    from novaql.inputs.layout import Layout as Layout
    from novaql.inputs.line_splitting import line_blocks as line_blocks
    from novaql.inputs.relabelling import Action as Action
    from novaql.inputs.relabelling import RelabelRule as RelabelRule
    from novaql.inputs.relabelling import relabelled as relabelled
    from novaql.inputs.remote_write import RemoteWriteDecoder as RemoteWriteDecoder
    from novaql.inputs.remote_write_2 import Message2 as Message2
    from novaql.inputs.remote_write_2 import Places as Places
    from novaql.inputs.remote_write_histograms import Side as Side
    from novaql.inputs.remote_write_histograms import WireHistogram as WireHistogram
    from novaql.inputs.remote_write_histograms import columns_of as columns_of
    from novaql.inputs.replaced_samples import overwritten as overwritten
    from novaql.inputs.sample_times import need_calendar as need_calendar
    from novaql.inputs.sample_times import out_of_range as out_of_range
    from novaql.inputs.scrape import TargetReader as TargetReader
    from novaql.inputs.write_request import WriteRequest as WriteRequest
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "arrow_table": ("ArrowReader",),
            "batch_stream": ("concat_batches",),
            "exposed_options": ("ExposedOptions",),
            "exposition": ("ExpositionParser", "TextState"),
            "influx": ("InfluxParser", "LineProblems", "precision_of"),
            "json_lines": ("JsonLinesParser", "short_lines"),
            "json_memory": ("check_json_memory",),
            "label_limits": ("USUAL_LIMITS", "LabelLimits"),
            "layout": ("BY_NAME", "Layout"),
            "line_splitting": ("line_blocks",),
            "relabelling": ("Action", "RelabelRule", "relabelled"),
            "remote_write": ("RemoteWriteDecoder",),
            "remote_write_2": ("Message2", "Places"),
            "remote_write_histograms": ("Side", "WireHistogram", "columns_of"),
            "replaced_samples": ("overwritten",),
            "sample_times": ("need_calendar", "out_of_range"),
            "scrape": ("TargetReader",),
            "write_request": ("WriteRequest",),
        },
    )
