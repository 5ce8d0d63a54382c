"""API tokens of a tenant: issued, listed without their secrets, rotated with an overlap, revoked.

A token's role is never above its owner's, not even later. A secret is shown once.
"""
