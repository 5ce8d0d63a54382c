"""Integrations: connections of a tenant to other systems, and what is imported from them.

Invariants
- A provider is one file in `providers`. The rest of the domain does not depend on any provider.
- The egress dialer sends every outgoing request, and none within a transaction.
- Credentials are in sealed columns only. A disconnect deletes them.
- Of concurrent requests with an expired access token, one refreshes it, over all processes.
- A resource has one row for each provider, kind and external id, however often it is imported.

The domain is above incidents and services and calls their use cases; neither imports it.
"""
