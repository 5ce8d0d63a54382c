"""Argument types of compiled kernels, and how kernels are declared: `@kernel(*types)`.

A kernel calls only functions of its own file, of `exact_rows`, and of
`novaql.tsdb.runtime.numba_intrinsics`: numba's cache would not notice a change of another file
(`tsdb.runtime.compiled.Registry`).
"""

from __future__ import annotations

from typing import Any

from numba import types

from novaql.tsdb.runtime.compiled import inner as inner
from novaql.tsdb.runtime.compiled import kernel as kernel

# Inputs are declared read-only, which admits both kinds of arrays.
VECTOR = types.Array(types.float64, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
MATRIX = types.Array(types.float64, 2, "C", readonly=True)
MASK = types.Array(types.boolean, 2, "C", readonly=True)
INT_MATRIX = types.Array(types.int64, 2, "C", readonly=True)
OUT_MATRIX = types.Array(types.float64, 2, "C")
OUT_INTS = types.Array(types.int64, 2, "C")
OUT_COUNTS = types.Array(types.int64, 1, "C")
BOUNDS = types.Array(types.int32, 1, "C", readonly=True)
FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
OUT_VECTOR = types.Array(types.float64, 1, "C")
OUT_BOUNDS = types.Array(types.int32, 1, "C")
OUT_BYTES = types.Array(types.int8, 1, "C")
OUT_MASK = types.Array(types.boolean, 1, "C")
OUT_FLAGS = types.Array(types.boolean, 2, "C")
INT, FLOAT, FLAG = types.int64, types.float64, types.boolean
_tuple: Any = types.Tuple
STRIPS = _tuple((VECTOR, INTS, INTS, INTS, INTS, INTS, INTS, BOUNDS, BOUNDS))
"""(values, offsets, grid, times, grids, first, strip, lo, hi) of a batch: see `compiled.strips`."""
STRIP_CELLS = _tuple((INTS, INTS, INTS, INTS, VECTOR, FLAGS, FLAG, FLAG, INT, INT))
"""See `dispatch.StripCells`."""
