# The interactive shell also reads a pipe.
printf 'up 1 1772366400000\n' > page.prom

printf '.mode csv\nup\n' | novaql repl page.prom | grep ',1,up$'
