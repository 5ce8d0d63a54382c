"""Pools of threads and budgets of memory, which tenants share in turn."""
