"""What is WRONG and does not fail a run, as it is known already: the baseline, and comments in the source."""
