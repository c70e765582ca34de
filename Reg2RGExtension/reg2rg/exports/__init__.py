"""Exports: the forms in which a report leaves the engine."""
