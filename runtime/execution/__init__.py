"""Bit-exact execution of compiled programs."""
