"""The analyzers: plain classes without Ray or HTTP. ``catalogue`` names them all, ``host`` runs one."""
