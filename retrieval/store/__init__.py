"""Vector stores behind one protocol; the only modules that know Qdrant."""
