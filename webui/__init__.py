"""The web process (`python -m webui`): JSON API, live events, and the front end that Vite built.

It reads PostgreSQL (blueno/db), asks data servers for pixels, and asks the API server what a person may see. It writes
nothing into the cluster.
"""
