"""One module for each source of a snapshot: the API server, volumes, PostgreSQL. They read and never write."""
