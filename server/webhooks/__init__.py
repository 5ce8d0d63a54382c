"""Webhooks: telling other programs what happened, signed, until they heard it.

Invariants
- A message is written in the transaction that relays its event, so none is lost.
- Its bytes are fixed then, in the version of its endpoint; every attempt sends the same ones.
- Its id is the same for all attempts and replays: receivers use it to recognise what they have.
- Secrets are sealed in the database, and leave the server once, when they are made.
"""
