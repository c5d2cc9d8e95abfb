"""Trained things and their files."""
