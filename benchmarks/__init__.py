"""Measurements against yardsticks of the same run. `make bench` prints the table and writes JSON."""
