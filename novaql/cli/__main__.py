"""`python -m novaql.cli` is `novaql`."""

from novaql.cli import main

main()
