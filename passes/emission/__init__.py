"""The algorithms behind `imc-emit-program`: placed programs to instruction tables."""
