"""The models that analyzers load: which, from where, under which licence, and where they lie."""
