# Import a file. Queries without --data are of ./novaql-data.
printf 'up 1 1772366400000\n' > page.prom

novaql import page.prom
novaql query up --time 2026-03-01T12:00:00Z --format csv | grep ',1,up$'
