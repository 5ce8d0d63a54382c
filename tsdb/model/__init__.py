"""The types that the store and its readers exchange: labels, matchers, samples, sources."""
