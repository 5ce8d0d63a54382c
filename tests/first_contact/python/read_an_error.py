"""An error in a query has a place, and often a suggestion."""

import pytest

import novaql

with pytest.raises(novaql.QueryError) as caught:
    novaql.query("sum(rat(up[5m]))", "does-not-matter")

error = caught.value
assert (error.line, error.column) == (1, 5)
assert error.suggestion == 'did you mean "rate"?'
assert "^" in error.explain()
