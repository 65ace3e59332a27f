"""Crossbar mapping and pipelined dataflow: every layer on its own cores, pixels streaming through.

An independent design after the abstract of doi 10.3389/fncom.2021.674154; the start conditions follow the idea that
arXiv 2003.04293 publishes, the equations are our own derivation. `layers` says what is computed, `crossbars` and
`replication` how many cores it takes, `windows` which pixel waits for which, `replay` when everything happens.
"""
