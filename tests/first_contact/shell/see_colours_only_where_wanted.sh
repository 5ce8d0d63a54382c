# NO_COLOR, as of no-color.org, also applies to errors.
if NO_COLOR=1 novaql query 'sum(' 2> message; then exit 1; fi
if grep -q "$(printf '\033')" message; then exit 1; fi
