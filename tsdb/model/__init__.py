"""What the store and its readers exchange: labels, matchers, samples, sources."""
