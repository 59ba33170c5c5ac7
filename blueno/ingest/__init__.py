"""What runs in an ingest pod: fetches what Samples name and hands it to the data server."""
