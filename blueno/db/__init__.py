"""PostgreSQL: connections, migrations, and every query. Called by the operator's mirror, the recorder, webui/."""
