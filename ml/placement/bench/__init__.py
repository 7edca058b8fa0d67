"""Fleets of any size, and simpler rules to compare with, for measuring."""
