"""Mapping of linear layers to crossbar macros."""
