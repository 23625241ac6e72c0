"""What every analyzer with a model shares: the device, loading, and running out of memory."""
