"""Process-wide machinery: caches, buffers, threads, compiled code."""
