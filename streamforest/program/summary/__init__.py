"""One HTML page that tells of a whole run."""
