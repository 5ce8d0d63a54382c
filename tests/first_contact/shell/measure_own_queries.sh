# What queries take over the data at hand: without a query, those of the largest metrics.
for minute in $(seq 0 59); do
  printf 'requests_total{job="api"} %d %d\n' $((minute * 7)) $((1772366400000 + minute * 60000))
done > page.prom
novaql import page.prom --data store

novaql bench store | grep 'sum(rate(requests_total\[5m\]))'
novaql bench store --query 'max(requests_total)' --rounds 3 --format json | grep '"samples": 60'
