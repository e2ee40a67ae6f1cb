"""Regions, metrics and comparisons."""
