"""Files: every operation on them, and the checksum of their contents."""
