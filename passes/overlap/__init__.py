"""Overlap-driven mapping: the next layer starts before the last one ends.

An independent design that yields what the abstract of arXiv 2407.00604 names: exact analysis of when a tile's inputs
are ready, search for the network's end time, and re-ordering of tiles by ready time. `nests` and `layers` describe the
work, `ready` has the closed form, `latency` and `schedule` the times, `bounds` what no schedule beats, `transform` the
re-ordering, `search` the choice of mappings; `oracle` and `exact` check them.
"""
