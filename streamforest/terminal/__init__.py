"""The person at the keyboard: lines, keys, and the wish to stop."""
