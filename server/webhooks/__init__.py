"""Webhooks: telling other programs what happened, signed, until they heard it."""
