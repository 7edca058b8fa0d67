"""Pages over the published snapshot: a query on a mart, a chart, words."""
