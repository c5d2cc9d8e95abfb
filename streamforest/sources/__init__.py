"""Where points come from; one file a source, one entry in the table."""
