# A command that does not exist: exit code 2, and the nearest one.
if novaql qurey up 2> message; then exit 1; else test $? = 2; fi
grep 'did you mean "query"?' message
