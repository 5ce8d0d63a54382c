# Query a file. The answer is of its last sample.
printf 'up{job="api"} 1 1772366400000\nup{job="db"} 0 1772366400000\n' > page.prom

novaql query 'sum(up)' --data page.prom | grep 'at 2026-03-01T12:00:00Z'
novaql query 'sum(up)' --data page.prom --format csv | grep '^2026-03-01T12:00:00Z,1$'
