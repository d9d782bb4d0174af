"""When passes run, and what else the clock brings about."""
