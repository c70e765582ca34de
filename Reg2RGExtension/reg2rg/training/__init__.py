"""Training: nothing in the inference path imports this package."""
