"""Compiled decoders of pages."""
