"""The context of one server, and the part of it that one tenant accesses."""
