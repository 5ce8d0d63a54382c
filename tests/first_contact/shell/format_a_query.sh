# A query in its canonical form, from a pipe.
test "$(echo 'sum  by(job)(rate( up[5m] ))' | novaql fmt -)" = 'sum by (job) (rate(up[5m]))'
