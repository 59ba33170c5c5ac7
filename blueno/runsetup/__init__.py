"""What runs before a training, in a container of its own: see __main__.py."""
