"""Experiments: instances of the frozen dataclasses that each folder defines beside its code."""
