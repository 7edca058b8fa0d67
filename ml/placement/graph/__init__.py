"""Bounds and plans of the call graph: a price on every call."""
