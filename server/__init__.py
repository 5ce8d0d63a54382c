"""HTTP around the library. Imports of the library only names that its packages export."""
