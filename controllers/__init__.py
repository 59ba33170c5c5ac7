"""The operator's logic: watch, decide, act, report. Started by operator/main.py through controllers.lifecycle."""
