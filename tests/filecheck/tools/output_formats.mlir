// RUN: imc-opt %s | filecheck %s
// RUN: imc-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC
// RUN: imc-opt %s --print-debuginfo | filecheck %s --check-prefix=LOCATION
// RUN: imc-opt %s -o %t.mlir && imc-opt %t.mlir -p canonicalize | filecheck %s --check-prefix=DEAD

%0 = arith.constant 1 : i32 loc("node")
// CHECK: %0 = arith.constant 1 : i32
// GENERIC: %0 = "arith.constant"() <{value = 1 : i32}> : () -> i32
// LOCATION: loc("node")
// DEAD-NOT: arith.constant
// DEAD: builtin.module
