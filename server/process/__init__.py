"""The processes of a server: the one that owns the stores, its workers, and their sockets."""
