"""People of a tenant: invited, active, deactivated.

There is always an active administrator. Who is deactivated has no token that works; their name
stays where they did something.
"""
