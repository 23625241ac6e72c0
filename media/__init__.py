"""Everything that touches media files: probe, plan, decode. ``types`` and ``needs`` are shared with the analyzers."""
