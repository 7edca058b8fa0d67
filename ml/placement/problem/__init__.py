"""One placement problem as arrays, its weights and rules, and how both are read."""
