"""The algorithms behind `imc-reduce-arithmetic`: plain arrays in, plain arrays out, no IR."""
