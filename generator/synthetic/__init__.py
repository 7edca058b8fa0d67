"""generator/synthetic."""
