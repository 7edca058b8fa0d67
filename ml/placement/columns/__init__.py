"""Column generation at any size: prices, a certified bound, a whole plan."""
