"""What SQL cannot say well: fitting, prediction, optimisation, experiment statistics."""
