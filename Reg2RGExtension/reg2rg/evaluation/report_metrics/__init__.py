"""Metrics of what a report claims: findings, regions, locations, contradictions, template collapse, lengths."""
