"""Text from outside -> valid points."""
