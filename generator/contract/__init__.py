"""generator/contract."""
