"""What people are told of a pass, in which channel, and what is noted of it in history and audit."""
