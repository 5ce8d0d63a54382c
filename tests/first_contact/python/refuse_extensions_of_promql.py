"""Only PromQL, for queries that have to run on Prometheus, too."""

import pytest

import novaql

assert novaql.query("1Ki").item() == 1024
with pytest.raises(novaql.QueryError):
    novaql.query("1Ki", strict_promql=True)
