"""One module for each invariant: `judge(snapshot)` yields findings. Pure."""
