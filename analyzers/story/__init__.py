"""The parts of ``temporal_flow``: what it reads, the energy curve, the hook."""
