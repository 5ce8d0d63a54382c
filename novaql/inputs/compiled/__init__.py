"""The part that the compiled readers of text and of remote write share: a hash table of texts.

Each format has its own walk beside its reader in Python (`remote_write/walk_kernels.py`,
`text/walk_kernels.py`). A walk handles the usual shape of its input. It leaves everything else to
the reader in Python, which also finds the errors.
"""
