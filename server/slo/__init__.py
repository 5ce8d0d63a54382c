"""Service level objectives: error budgets, burn rates, and alerts on them."""
