"""API tokens of a tenant: issue, list without secrets, rotate with an overlap, revoke.

The role of a token is at most that of its owner, also after the owner's role changes. The server
shows a secret only once.
"""
