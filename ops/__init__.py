"""Tools around the service: sample video, checks of settings and machine, demo. May import everything."""
