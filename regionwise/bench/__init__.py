"""Measurements: what a build costs, and how the solvers do on problems with known answers."""
