"""Parts of `imc-unroll`: the matrices of layers, and how many arrays share one."""
