"""The commands of `s2f`, one file each. Nothing heavy is imported before a command runs."""
