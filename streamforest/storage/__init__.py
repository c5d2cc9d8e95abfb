"""Bytes that survive a crash: checkpoints, rotated files, files that are whole or not there."""
