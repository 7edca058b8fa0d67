"""Where every service should run, how far from best that can be, and why not elsewhere."""
