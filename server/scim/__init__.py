"""SCIM 2.0: identity providers create, change and delete the users of a tenant.

A SCIM User and a user of `/v1/users` are the same row; a JSON column stores attributes without a
column of their own. `active` false deactivates the user: the server rejects every token of the
user from the next request on.
"""
