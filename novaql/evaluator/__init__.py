"""Plan → numbers: fragments run over tiles, operators over what fragments answer."""
