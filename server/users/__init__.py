"""Users of a tenant: invited, active or deactivated.

A tenant always has an active administrator. The server rejects all tokens of a deactivated user.
Audit entries and other records still show the user's name.
"""
