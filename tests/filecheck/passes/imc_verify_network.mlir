// RUN: imc-opt %s -p imc-verify-network --verify-diagnostics --split-input-file | filecheck %s

// CHECK: func.func @main
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x3x8x8xsi8> {imc.name = "y"}) {
  %y = imc.relu %x : (tensor<?x3x8x8xsi8>) -> tensor<?x3x8x8xsi8>
  // CHECK: imc.relu
  func.return %y : tensor<?x3x8x8xsi8>
}

// -----

// CHECK: the module holds 0 functions with a body, a network is exactly one
builtin.module {}

// -----

// CHECK: the module holds 2 functions with a body, a network is exactly one
func.func @first() {
  func.return
}
func.func @second() {
  func.return
}

// -----

// CHECK: node 'stray' (imc.constant): a network is one function, nothing else
builtin.module {
  %0 = imc.constant dense<0> : tensor<1xi8> as tensor<1xsi2> loc("stray")
}

// -----

// CHECK: argument 0 of function 'main': axis 0 is the batch and must be '?'
func.func @main(%x: tensor<4x3xsi8>) {
  func.return
}

// -----

// CHECK: argument 0 of function 'main': only axis 0 may be '?'
func.func @main(%x: tensor<?x?xsi8>) {
  func.return
}

// -----

// CHECK: node 'odd' (arith.addf): no op of the network level
func.func @main(%x: tensor<?x4xf32>) {
  %y = arith.addf %x, %x : tensor<?x4xf32> loc("odd")
  func.return
}

// -----

// CHECK: function 'main' has 2 blocks, a network has one
func.func @main() {
  cf.br ^end
^end:
  func.return
}
