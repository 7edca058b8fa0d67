"""ml/strategy."""
