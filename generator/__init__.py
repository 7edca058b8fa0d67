"""Fills the raw tables: from a synthetic world, or from a real system."""
