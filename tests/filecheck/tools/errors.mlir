// RUN: not imc-opt %s 2>&1 | filecheck %s
// RUN: not imc-opt %s -p imc-nothing 2>&1 | filecheck %s --check-prefix=PASS
// RUN: not imc-opt --no-such-option 2>&1 | filecheck %s --check-prefix=OPTION

// PASS: imc-opt: error: --passes: Unrecognized passes: ['imc-nothing']
// OPTION: imc-opt: error: unrecognized arguments: --no-such-option

// CHECK: imc-opt: error: {{.*}}errors.mlir:9:{{[0-9]+}}: {{.*}}imc.nothing
"imc.nothing"() : () -> ()
