"""What `/metrics` shows. Set by engine, writer, sweep, mirror, reports and fleet; served by controllers/http.py."""
