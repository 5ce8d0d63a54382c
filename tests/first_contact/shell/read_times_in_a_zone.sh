# Times of a zone, in options and in tables.
printf 'up 1 1772366400000\n' > page.prom

novaql query up --data page.prom --tz Europe/Berlin --time '2026-03-01 13:00' | grep '2026-03-01T13:00:00+01:00'
