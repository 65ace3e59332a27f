"""Weight packing: a whole network resident in the macros of a crossbar target (after arXiv 2409.11437)."""
