"""Files of other tools, read as hostile and written whole: one format, one file."""
