"""The pass, the loop that runs it, the orders that steer it, the news it makes."""
