"""The catalog of services: who owns them, how they are, what they depend on."""
