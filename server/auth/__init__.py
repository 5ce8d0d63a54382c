"""Who makes a request and what it may do: tokens, roles, rate limits."""
