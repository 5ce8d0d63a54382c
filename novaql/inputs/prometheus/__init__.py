"""What Prometheus keeps and sends: its data directory, its chunks, and remote read as a client."""
