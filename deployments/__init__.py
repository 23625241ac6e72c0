"""The Ray Serve side: one deployment per analyzer, the decode tasks, the ingress that composes them."""
