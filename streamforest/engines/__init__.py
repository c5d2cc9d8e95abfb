"""Engines that run the default detector on many machines; one file an engine."""
