"""Result models that fill a file of their own, and readers of other analyzers' results."""
