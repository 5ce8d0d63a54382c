# A folder of files; folders called label=value are labels.
mkdir -p up/job=api up/job=db
printf 'up 1 1772366400000\n' > up/job=api/page.prom
printf 'up 0 1772366400000\n' > up/job=db/page.prom

novaql query 'up{job="api"}' --data up --format csv | grep ',1,up,api$'
novaql query 'sum(up)' --data 'up/*/*.prom' --format csv | grep ',1$'
