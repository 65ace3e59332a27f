"""imcflow: compile neural networks for in-memory-computing hardware and run the result bit by bit."""
