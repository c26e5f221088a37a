"""From a pair to a judgment: completions, pairs, the queue, leases, judgments and what is said besides."""
