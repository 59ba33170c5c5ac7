"""`blueno run --local`: a TrainingRun's program as a process of this machine. Called by blueno/cli/local.py.

plan.py decides what will run, folder.py keeps the run's directory over attempts, process.py runs it. No container is
started: the program finds this machine's Python, packages and GPUs.
"""
