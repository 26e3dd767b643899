"""Every claim about speed, runnable: `make bench`.

Each number is measured against a real dockerd on the same machine in the same run, and printed as a ratio:
below 1 the embedded engine is faster. Machines are noisy, so engines take turns, a ratio is of medians, and nothing
here fails.
"""
