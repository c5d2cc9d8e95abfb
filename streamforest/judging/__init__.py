"""From a score to a decision."""
