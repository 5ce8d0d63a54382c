"""The directory of a store: its manifest, its files, and how it is opened."""
