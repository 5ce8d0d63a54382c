"""A database taken apart: what it consists of, its writing side, its reading side, its upkeep."""
