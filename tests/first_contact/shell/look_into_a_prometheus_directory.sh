# Needs: promtool
# What is in the data directory of a Prometheus? Queries, blocks, series, samples; nothing is changed.
printf '# TYPE up gauge\nup{job="api"} 1 1772366400\nup{job="db"} 0 1772366400\n# EOF\n' > page.om
promtool tsdb create-blocks-from openmetrics page.om data

novaql query 'sum(up)' --data data --time 2026-03-01T12:00:00Z --format csv | grep ',1$'
novaql tsdb list data | grep 'in the head: 0 series'
novaql tsdb analyze data | grep '^2 series$'
novaql tsdb dump data --match '{job="db"}' | grep '^up{job="db"} 0 1772366400000$'
