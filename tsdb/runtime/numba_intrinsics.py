"""numba intrinsics: operations of compiled functions that numba does not provide.

numba counts the references to the memory of an array: one atomic increment and decrement for each
slice and for each array argument, which takes longer than a dozen additions. Decoding makes slices
all the time; without `borrowed` and `pointer`, up to a fifth of a cold query is counting.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def _intrinsic_borrowed(_context: Any, array: Any) -> Any:
    """The same array without an owner, so that numba counts no references to it or its slices."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        for owner in ("meminfo", "parent"):
            setattr(made, owner, getattr(made, owner).type(None))
        return made._getvalue()

    return array(array), build


@intrinsic
def _intrinsic_pointer(_context: Any, array: Any, at: Any) -> Any:  # noqa: ARG001 - by numba
    """A pointer to element `at` of an array, which can be indexed."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.gep(made.data, [arguments[1]])

    to: Any = types.CPointer
    return to(array.dtype)(array, types.intp), build


@intrinsic
def _intrinsic_word_at(_context: Any, data: Any, at: Any) -> Any:  # noqa: ARG001 - by numba
    """The 8 bytes at an offset from a pointer to bytes: little-endian, at any alignment."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8), ir.IntType(64)
        place = builder.gep(arguments[0], [arguments[1]], source_etype=byte)
        return builder.load(builder.bitcast(place, word.as_pointer()), align=1, typ=word)

    return types.uint64(data, types.intp), build


@intrinsic
def _intrinsic_word_in(_context: Any, data: Any, at: Any) -> Any:  # noqa: ARG001 - by numba
    """The 8 bytes from element `at` of an array of bytes on: as `word_at`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        wide = context.get_value_type(types.uint64).as_pointer()
        return builder.load(builder.bitcast(place, wide), align=1)

    return types.uint64(data, types.int64), build


@intrinsic
def _intrinsic_move(_context: Any, values: Any, to: Any, begin: Any, count: Any) -> Any:
    """values[to : to + count] = values[begin : begin + count], which may overlap; 8-byte values.

    It is a memmove: numba's own loop over them takes twice as long.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        target, origin = (builder.gep(array.data, [place]) for place in arguments[1:3])
        size = context.get_constant(types.intp, 8)
        raw_memmove: Any = cgutils.raw_memmove
        raw_memmove(builder, target, origin, arguments[3], size)
        return context.get_dummy_value()

    return types.void(values, to, begin, count), build


borrowed: Any = _intrinsic_borrowed
pointer: Any = _intrinsic_pointer
word_at: Any = _intrinsic_word_at
word_in: Any = _intrinsic_word_in
move: Any = _intrinsic_move


@numba.njit(nogil=True)
def keep_alive(_owners: Any) -> None:
    """Called after the last use of borrowed arrays: until then numba does not free their memory.

    An argument needs no call: the caller holds it as long as the function runs.
    """


def _bitcast(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))


@intrinsic
def _intrinsic_bits(_context: Any, value: Any) -> Any:
    """The bits of a float as an integer."""
    return types.int64(value), _bitcast


@intrinsic
def _intrinsic_float(_context: Any, value: Any) -> Any:
    """The float that has these bits."""
    return types.float64(value), _bitcast


bits_of: Any = _intrinsic_bits
float_of: Any = _intrinsic_float


@intrinsic
def _intrinsic_high_product(_context: Any, x: Any, y: Any) -> Any:
    """The upper half of the product of two unsigned integers of 64 bits."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        x, y = (builder.zext(argument, wide) for argument in arguments)
        high = builder.lshr(builder.mul(x, y), ir.Constant(wide, 64))
        return builder.trunc(high, ir.IntType(64))

    return types.uint64(x, y), build


@intrinsic
def _intrinsic_put_word(_context: Any, data: Any, at: Any, word: Any) -> Any:  # noqa: ARG001
    """Write 8 bytes at an offset from a pointer to bytes: little-endian, at any alignment."""

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte, wide = ir.IntType(8), ir.IntType(64)
        place = builder.gep(arguments[0], [arguments[1]], source_etype=byte)
        builder.store(arguments[2], builder.bitcast(place, wide.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), build


high_product: Any = _intrinsic_high_product
put_word: Any = _intrinsic_put_word
