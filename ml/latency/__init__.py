"""ml/latency."""
