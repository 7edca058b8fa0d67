"""ml/placement."""
