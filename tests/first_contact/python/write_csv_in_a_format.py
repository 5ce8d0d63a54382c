"""CSV with values in a format of the caller."""

import novaql

result = novaql.query("vector(1) / 3", time=0)

assert result.csv(float_format="%.3f") == "time,value\n1970-01-01T00:00:00Z,0.333\n"
