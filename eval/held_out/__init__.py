"""The held-out test set: people of another head model and generator."""
