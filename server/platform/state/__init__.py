"""What the server keeps beside samples: rows in SQLite, or in PostgreSQL by URL.

`StateDatabase` gives units of work; `Row` is the base of what belongs to a tenant; a session that
is scoped to a tenant can see and make rows of that tenant only, whatever its statements say.
"""
