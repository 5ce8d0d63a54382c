"""The names of services, which several domains speak of."""
