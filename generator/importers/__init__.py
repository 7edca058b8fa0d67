"""generator/importers."""
