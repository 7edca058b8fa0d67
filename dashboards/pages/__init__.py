"""One file per page: a question, its numbers, charts and words."""
