"""The state database: connections, transactions, tenant scope, units of work, migrations."""
