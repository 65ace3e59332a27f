"""The pipelined dataflow of a program: cores that stream pixels to each other, checked, executed and timed."""
