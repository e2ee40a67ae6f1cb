"""Skulls and heads in: files, volumes, cleaning, frame, landmarks, tissue depth, the anatomy prior."""
