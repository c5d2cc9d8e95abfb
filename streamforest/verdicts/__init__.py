"""What is counted and kept of verdicts."""
