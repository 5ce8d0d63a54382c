"""The write-ahead log: samples that are in no block yet, in segments that are readable
separately."""
