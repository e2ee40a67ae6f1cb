"""Regressions from skulls to faces, with true correspondence and with our registration."""
