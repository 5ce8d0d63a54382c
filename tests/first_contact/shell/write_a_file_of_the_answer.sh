# The suffix of the output sets its format.
printf 'up 1 1772366400000\n' > page.prom

novaql query up --data page.prom --output up.parquet
novaql query up --data up.parquet --format csv | grep ',1,up$'
