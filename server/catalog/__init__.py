"""The catalogue of services: the table that other domains refer to, and looking names up in it."""
