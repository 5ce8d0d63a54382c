"""The ledger of each agent: an append-only Merkle log (RFC 6962) with signed checkpoints.

An entry is appended in the transaction of the action that it records. Its bytes are canonical JSON,
stored and served as they are. The signing key is in a file outside the database, and the server
signs no checkpoint that contradicts the last one that it published.
"""
