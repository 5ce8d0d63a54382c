"""What one server is made of, and the part of it that one tenant sees."""
