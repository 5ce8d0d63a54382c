"""Files: all operations on them, and the checksum of their contents."""
