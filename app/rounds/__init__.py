"""Training rounds: planned, started, carried through in a process of their own, and what starts one."""
