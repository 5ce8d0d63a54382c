"""Which series satisfy a set of matchers, by dictionary columns and postings."""
