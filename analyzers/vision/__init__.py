"""Models that look at pictures, behind small interfaces of arrays; and what is made of their boxes and joints."""
