"""ml/experiment."""
