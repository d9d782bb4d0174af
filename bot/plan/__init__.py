"""What a sync would change: placing, diff, order, refusals, impact. Pure."""
