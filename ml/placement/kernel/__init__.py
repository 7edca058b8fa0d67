"""Compiled pricing of every region set of a service, by a pruned exact search."""
