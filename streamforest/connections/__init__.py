"""How bytes arrive from elsewhere, and keep arriving."""
