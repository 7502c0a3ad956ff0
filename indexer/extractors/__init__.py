"""Extractors of the field: what other tools say of a recording, in the files they are known by."""
