"""Variants of the field, trained with one budget, in one table."""
