"""Running the system: command line helpers, checks, the sample video."""
