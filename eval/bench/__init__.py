"""Speed, and how well fits, alignments and meshes come back."""
