# Which part of a query has no data? Exit code 1 if the result is empty.
printf 'up 0 1772366400000\n' > page.prom

if novaql why-empty 'sum(up) > 0' --data page.prom > reason; then exit 1; fi
grep 'no value satisfies >' reason
