# SQL over metrics, and over the result of a PromQL query.
printf 'up{job="api"} 1 1772366400000\nup{job="db"} 0 1772366400000\n' > page.prom

test "$(novaql sql 'SELECT job FROM up WHERE value = 0' --data page.prom --format csv | tail -1)" = db
test "$(novaql sql "SELECT value FROM promql('sum(up)', time := 1772366400)" --data page.prom --format csv | tail -1)" = 1.0
