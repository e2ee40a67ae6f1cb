"""Losses, state, step, sharding, checkpoints, the loop."""
