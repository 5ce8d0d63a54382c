"""The log: what was appended and is not in a block yet, in segments that each stand alone."""
