"""Samples that are sent to the server. Acknowledged means: as durable as the sync mode says."""
