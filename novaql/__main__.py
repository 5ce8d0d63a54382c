"""`python -m novaql` is `novaql`."""

from novaql.cli import main

main()
