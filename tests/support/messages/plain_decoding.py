"""A whole message of remote write 2.0 decoded in Python."""

from __future__ import annotations

from novaql.inputs.label_limits import USUAL_LIMITS, LabelLimits
from novaql.inputs.remote_write.v2 import Message2
from novaql.inputs.remote_write.write_request import WriteRequest


def decode_request(data: bytes, limits: LabelLimits = USUAL_LIMITS) -> WriteRequest:
    """Decode an uncompressed message; an invalid one is rejected as a whole. Raises
    `InputError`, `LimitExceeded`."""
    message = Message2(data, limits)
    for _ in message.walk():
        pass
    return message.decode(0, len(message))
