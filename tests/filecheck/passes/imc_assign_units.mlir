// RUN: imc-opt %s -p 'imc-assign-units' --split-input-file --verify-diagnostics | filecheck %s

// Integer layers go to the arrays, step functions of stored sums and real numbers to the digital unit.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
// CHECK-NEXT{LITERAL}: %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
// CHECK-NEXT: %0 = imc.conv2d %x, %w {imc.unit = #imc<unit ap>} : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6>
// CHECK-NEXT{LITERAL}: %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
// CHECK-NEXT: %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
// CHECK-NEXT: %1 = imc.threshold %0, %t descending %d {imc.unit = #imc<unit digital>} : (tensor<?x2x2x2xsi6>, tensor<2x3xsi4>, tensor<2xui1>) -> tensor<?x2x2x2xui2>
func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %0 = imc.conv2d %x, %w : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6> loc("conv")
  %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
  %1 = imc.threshold %0, %t descending %d : (tensor<?x2x2x2xsi6>, tensor<2x3xsi4>, tensor<2xui1>) -> tensor<?x2x2x2xui2> loc("quant")
  func.return %1 : tensor<?x2x2x2xui2>
}

// -----

// Maximum pooling goes where the target says: here to the digital unit.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.max_pool %x {imc.unit = #imc<unit digital>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2>
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %0 : tensor<?x2x2x2xui2>
}

// -----

// An addition of two activations is a linear layer of the arrays.
// CHECK-LABEL: func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}, %z: tensor<?x2xsi2> {imc.name = "z"}) -> (tensor<?x2xsi4> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.add %x, %z {imc.unit = #imc<unit ap>} : (tensor<?x2xui2>, tensor<?x2xsi2>) -> tensor<?x2xsi4>
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}, %z: tensor<?x2xsi2> {imc.name = "z"}) -> (tensor<?x2xsi4> {imc.name = "y"}) {
  %0 = imc.add %x, %z : (tensor<?x2xui2>, tensor<?x2xsi2>) -> tensor<?x2xsi4> loc("add")
  func.return %0 : tensor<?x2xsi4>
}

// -----

// Real numbers are for the digital unit.
// CHECK-LABEL: func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x2xf32> {imc.name = "y"}) {
// CHECK-NEXT: %s = imc.constant dense<5.000000e-01> : tensor<1xf32> as tensor<1xf32>
// CHECK-NEXT: %z = imc.constant dense<0> : tensor<1xi8> as tensor<1xui1>
// CHECK-NEXT: %0 = imc.dequantize %x, %s, %z {imc.unit = #imc<unit digital>} : (tensor<?x2xui2>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2xf32>
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x2xf32> {imc.name = "y"}) {
  %s = imc.constant dense<0.5> : tensor<1xf32> as tensor<1xf32>
  %z = imc.constant dense<0> : tensor<1xi8> as tensor<1xui1>
  %0 = imc.dequantize %x, %s, %z : (tensor<?x2xui2>, tensor<1xf32>, tensor<1xui1>) -> tensor<?x2xf32> loc("scale")
  func.return %0 : tensor<?x2xf32>
}
