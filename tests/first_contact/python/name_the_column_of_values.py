"""A table with names of metrics, whose column of values has a name of its own."""

import pandas as pd
import pytest

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "__name__": ["up", "load"], "reading": [1.0, 0.5]})

with pytest.raises(novaql.InputError, match="Columns of numbers: reading"):
    novaql.query("up", frame)

assert novaql.query("load", novaql.frame(frame, value="reading")).item() == 0.5
