"""What `/metrics` shows. Set by the engine, writer, sweep, mirror and fleet; served by controllers/http.py."""
