# A range: a start suffices. Times as people and Grafana write them.
printf 'up 1\n' > page.prom

novaql query 'vector(1)' --start '2h ago' --step 1h | grep '3 steps'
novaql query 'vector(1)' --start now/d --end now/d --step 12h | grep '2 steps'
