"""Container registries: which tags an image has, and what a registry tells of a push."""
