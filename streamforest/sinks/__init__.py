"""Where verdicts go; one file a sink."""
