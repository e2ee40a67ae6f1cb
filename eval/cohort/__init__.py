"""What the cohort's people are like."""
