"""Compiled kernels over bit planes, built as LLVM IR when a program first runs."""
