"""The algorithms behind `imc-allocate-tracks`: order of operations, words on tracks, checks of a placement."""
