"""Tamper-evident logs: Merkle trees (RFC 6962), signed checkpoints (C2SP) and canonical JSON.

`verify.py` verifies an exported log without the server that wrote it. Nothing here imports the
server.
"""
