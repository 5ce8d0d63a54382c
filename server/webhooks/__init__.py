"""Webhooks: signed delivery of events to other programs, with retries.

Invariants
- The transaction that relays an event writes its messages, so no message is lost.
- A message has fixed bytes, in the API version of its endpoint. Every attempt sends the same bytes.
- A message has the same id in all attempts and replays, so that receivers can drop duplicates.
- The database stores sealed secrets. A secret leaves the server once, when it is created.
"""
