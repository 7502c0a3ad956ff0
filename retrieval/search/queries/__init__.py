"""One file per query kind."""
