"""Data servers of what training runs have written: one for each claim, up while somebody looks."""
