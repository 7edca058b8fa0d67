"""A second reading of plan and bound that shares no code with the first."""
