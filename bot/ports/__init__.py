"""What the engine needs from the world, as protocols: the rooms behind the doors implement them, each its own seam.

Implementations translate every vendor exception into the tree of `bot.errors`. All of them are safe to call from
several threads at once. Every network call has a timeout.
"""
