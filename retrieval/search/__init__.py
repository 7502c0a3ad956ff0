"""The query path: validate, plan, encode, search, fuse, present."""
