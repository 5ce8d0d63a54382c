"""The components of an open database: reader, writer, flusher, deleter and compactor."""
