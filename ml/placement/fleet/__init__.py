"""What follows from a plan: instances, cost by term, latency, rules kept; calls included."""
