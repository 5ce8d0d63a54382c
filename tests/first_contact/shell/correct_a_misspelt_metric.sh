# An empty answer names what is near.
printf 'up 1 1772366400000\n' > page.prom

novaql query upp --data page.prom --time 2026-03-01T12:00:00Z | grep 'did you mean up?'
