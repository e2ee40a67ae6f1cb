"""A trained field beside its references on the held-out test set."""
