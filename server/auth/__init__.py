"""Authentication and authorization of requests: tokens, roles, rate limits."""
