"""Contact methods and notification rules of users: how pages reach a user, and after which delay.

A user without notification rules is notified by all contact methods at once, and without contact
methods by mail to the address of the user.
"""
