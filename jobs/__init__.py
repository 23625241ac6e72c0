"""Jobs and their results: what is in work, and what was written."""
