"""The search over joint plans where services call one another."""
