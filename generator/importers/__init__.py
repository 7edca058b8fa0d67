"""Importers: other people's data, mapped to the raw contract and to nothing else."""
