"""Ingestion of samples. Acknowledged samples are as durable as the setting `sync` defines."""
