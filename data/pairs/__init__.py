"""Folders of skull–face pairs, the cohort's or a user's own, as batches to train with."""
