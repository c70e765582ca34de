"""Predicted and reference reports, read from CSV files, region files and report folders."""
