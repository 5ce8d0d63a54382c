# An error in a query: exit code 1, and its place.
if novaql query 'sum(rat(up[5m]))' 2> message; then exit 1; else test $? = 1; fi
grep 'did you mean "rate"?' message
grep '\^' message
