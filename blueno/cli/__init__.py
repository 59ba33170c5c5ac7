"""The command line `blueno` (and `kubectl-blueno`). Stands on blueno/client and blueno/local_run; knows no HTTP itself.

app.py puts the commands together, shell.py is the way to the person's terminal (messages, exit codes, colours). Modules
that take long to import (httpx, rich, yaml) are imported where they are used: `blueno --help` needs none of them.
"""
