"""Brings the indexes of sealed versions into PostgreSQL, and takes them out again: a process of its own."""
