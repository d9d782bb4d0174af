"""Which apps fail for one reason: one message in each channel, one page for each team, and what people do with it."""
