"""A query in its canonical form."""

import novaql

query = novaql.parse("sum  by(job)(rate( up[5m] ))")

assert novaql.format(query) == "sum by (job) (rate(up[5m]))"
