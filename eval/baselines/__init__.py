"""What the field is compared with on the same aligned skulls: each method a file of its own, all learned from people of
the training generator alone."""
