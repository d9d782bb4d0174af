"""Plans and what they are made of: which apps there are, their objects at a commit, what is known of the cluster."""
