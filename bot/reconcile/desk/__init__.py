"""Where orders and questions of people arrive."""
