"""What judges points; one file a detector, one entry in the table."""
