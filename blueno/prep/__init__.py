"""What runs in a preparation pod: `python -m blueno.prep prepare` and `python -m blueno.prep erase`."""
