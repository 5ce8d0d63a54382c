"""HTTP around the library. Knows `novaql` and `tsdb` by their public names only."""
