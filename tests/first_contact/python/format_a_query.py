"""A query in its canonical form."""

import novaql

assert novaql.format("sum  by(job)(rate( up[5m] ))") == "sum by (job) (rate(up[5m]))"

tree = novaql.parse("sum(rate(up[5m]))")
assert novaql.format(tree, style="pipes") == "up[5m] |> rate |> sum"
assert novaql.format(novaql.q.up(job="api").rate("5m")) == 'rate(up{job="api"}[5m])'
