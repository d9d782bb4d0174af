"""Image automation: from a tag in a registry to a commit that changes it."""
