"""What `make demo` does, one step a module: install, mirror, examples, watching, closing."""
