"""The implicit field and its geometry."""
