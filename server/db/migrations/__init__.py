"""Alembic's environment, and the platform's own migrations.

Each domain has a separate folder `migrations`. Its migrations form a branch that depends on the
platform's, so that the domains change their tables independently.
"""
