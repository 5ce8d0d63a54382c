"""The components of an open database over one state: reader, writer, flusher, deleter, compactor,
snapshots."""
