"""Remote write by compiled code: messages are walked, label bytes looked up, texts kept as numbers.

`decoder` puts it together; the decoder of remote write uses it once `compiling.WALKS` is ready, and
the plain decoder before, without numba, and for every message of an unusual shape.
"""
