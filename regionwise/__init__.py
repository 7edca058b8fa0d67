"""The front desk: command line, order of a build, configuration, lock, publish."""
