"""Protocol Buffers: the wire format, and Prometheus's exposition in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from novaql.inputs.protobuf.exposition import ProtobufParser as ProtobufParser
    from novaql.inputs.protobuf.wire import BYTES as BYTES
    from novaql.inputs.protobuf.wire import VARINT as VARINT
    from novaql.inputs.protobuf.wire import bytes_field as bytes_field
    from novaql.inputs.protobuf.wire import field_end as field_end
    from novaql.inputs.protobuf.wire import fields as fields
    from novaql.inputs.protobuf.wire import number_field as number_field
    from novaql.inputs.protobuf.wire import read_varint as read_varint
    from novaql.inputs.protobuf.wire import signed as signed
    from novaql.inputs.protobuf.wire import text as text
    from novaql.inputs.protobuf.wire import varint as varint
    from novaql.inputs.protobuf.wire import zigzag as zigzag
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "exposition": "ProtobufParser",
            "wire": (
                "BYTES VARINT bytes_field field_end fields number_field read_varint signed text "
                "varint zigzag"
            ),
        },
    )
