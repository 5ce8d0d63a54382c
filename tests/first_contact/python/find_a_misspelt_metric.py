"""A name that the data does not have: the answer is empty, and says what is near."""

import pandas as pd

import novaql

times = pd.date_range("2026-03-01", periods=2, freq="1min", tz="UTC")
frame = pd.DataFrame({"time": times, "code": "200", "requests_total": [1.0, 2.0]})

misspelt = novaql.query("rate(request_total[5m])", frame, time="2026-03-01T00:01Z")
assert "there is no metric request_total; did you mean requests_total?" in misspelt.infos[0]

other_value = novaql.query('requests_total{code="20"}', frame, time="2026-03-01T00:01Z")
assert 'did you mean code="200"?' in other_value.infos[0]
