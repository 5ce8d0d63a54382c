"""SCIM 2.0: identity providers make, change and end the users of a tenant.

A SCIM User is the same row as a user of `/v1/users`; what that has no column for is kept beside it.
`active` false deactivates: every token of the user is refused from the next request on.
"""
