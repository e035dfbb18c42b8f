"""
The brain alone: what a decision takes of a miss of the caches; core.c measures.
"""
import os
import re

import figures
import load

KEYS = 1000000
PATIENCE_S = 120    # core takes 15


def decision_to_miss(run):
    """A decision on a key that is there, of a million, in batches of 64."""
    run.progress("the brain alone")
    text = load.run_pinned([os.path.join(run.build, "core"), str(KEYS)], [run.server_core], PATIENCE_S)
    taken = re.search(rf"^ *{KEYS}  hit +64 +([\d.]+) +([\d.]+)$", text, re.MULTILINE)
    miss = re.search(r"dependent miss in .*: ([\d.]+) ns$", text, re.MULTILINE)
    if taken is None or miss is None:
        raise load.LoadError(f"core printed what is not understood: {text.strip()}")
    return figures.Finding(float(taken.group(2)), f"{taken.group(1)} ns a decision, {miss.group(1)} ns a miss")
