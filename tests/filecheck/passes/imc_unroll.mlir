// RUN: imc-opt %s -p 'imc-assign-units,imc-unroll' --split-input-file --verify-diagnostics | filecheck %s

// A convolution becomes one signed sum per output channel, one slice per input channel; the step function that alone
// uses it joins it.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
// CHECK-NEXT{LITERAL}: %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
// CHECK-NEXT: %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x2x3x3xui2> thresholds %t : tensor<2x3xsi4> descending %d : tensor<2xui1> {programs = [#imc.add_sub<"version 1 inputs 8 outputs 2",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y0 += x0",
// CHECK-NEXT: "y0 -= x1",
// CHECK-NEXT: "y0 += x3",
// CHECK-NEXT: "y1 += x0",
// CHECK-NEXT: "y1 -= x1",
// CHECK-NEXT: "y1 += x3",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y0 += x4",
// CHECK-NEXT: "y1 -= x7">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 2>} -> tensor<?x2x2x2xui2>
func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %0 = imc.conv2d %x, %w : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6> loc("conv")
  %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
  %1 = imc.threshold %0, %t descending %d : (tensor<?x2x2x2xsi6>, tensor<2x3xsi4>, tensor<2xui1>) -> tensor<?x2x2x2xui2> loc("quant")
  func.return %1 : tensor<?x2x2x2xui2>
}

// -----

// Weights of several bits are sums of signed digits: 3 = 4 - 1, 5 = 4 + 1.
// CHECK-LABEL: func.func @main(%x: tensor<?x3xsi3> {imc.name = "x"}) -> (tensor<?x2xsi7> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x3xsi3> {programs = [#imc.add_sub<"version 1 inputs 3 outputs 2",
// CHECK-NEXT: "y0 = 7",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "y0 -= x0",
// CHECK-NEXT: "y0 += (x0 << 2)",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "y1 += x1",
// CHECK-NEXT: "y1 += (x1 << 2)",
// CHECK-NEXT: "slice 1",
// CHECK-NEXT: "y0 -= x2">], channel_low = array<i64: -4, -4, -4>, channel_high = array<i64: 3, 3, 3>} -> tensor<?x2xsi7>
func.func @main(%x: tensor<?x3xsi3> {imc.name = "x"}) -> (tensor<?x2xsi7> {imc.name = "y"}) {
  %w = imc.constant dense<[[3, 0, -1], [0, 5, 0]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %b = imc.constant dense<[7, 0]> : tensor<2xi8> as tensor<2xsi4>
  %0 = imc.gemm %x, %w bias %b : (tensor<?x3xsi3>, tensor<2x3xsi4>, tensor<2xsi4>) -> tensor<?x2xsi7> loc("gemm")
  func.return %0 : tensor<?x2xsi7>
}

// -----

// The sum of two tensors is a layer of two inputs.
// CHECK-LABEL: func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}, %z: tensor<?x2xsi2> {imc.name = "z"}) -> (tensor<?x2xsi4> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x, %z : tensor<?x2xui2>, tensor<?x2xsi2> {programs = [#imc.add_sub<"version 1 inputs 4 outputs 2",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y0 += x0",
// CHECK-NEXT: "y0 += x2",
// CHECK-NEXT: "y1 += x1",
// CHECK-NEXT: "y1 += x3">], channel_low = array<i64: 0, 0, -2, -2>, channel_high = array<i64: 3, 3, 1, 1>} -> tensor<?x2xsi4>
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}, %z: tensor<?x2xsi2> {imc.name = "z"}) -> (tensor<?x2xsi4> {imc.name = "y"}) {
  %0 = imc.add %x, %z : (tensor<?x2xui2>, tensor<?x2xsi2>) -> tensor<?x2xsi4> loc("add")
  func.return %0 : tensor<?x2xsi4>
}

// -----

// So is a sum pooling.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x2x2xui2> {imc.name = "x"}) -> (tensor<?x2x1x1xui4> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x2x2x2xui2> {programs = [#imc.add_sub<"version 1 inputs 8 outputs 2",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y0 += x0",
// CHECK-NEXT: "y0 += x1",
// CHECK-NEXT: "y0 += x2",
// CHECK-NEXT: "y0 += x3",
// CHECK-NEXT: "slice 4",
// CHECK-NEXT: "y1 += x4",
// CHECK-NEXT: "y1 += x5",
// CHECK-NEXT: "y1 += x6",
// CHECK-NEXT: "y1 += x7">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, kernel = array<i64: 2, 2>} -> tensor<?x2x1x1xui4>
func.func @main(%x: tensor<?x2x2x2xui2> {imc.name = "x"}) -> (tensor<?x2x1x1xui4> {imc.name = "y"}) {
  %0 = imc.sum_pool %x {kernel = array<i64: 2, 2>} : (tensor<?x2x2x2xui2>) -> tensor<?x2x1x1xui4> loc("mean")
  func.return %0 : tensor<?x2x1x1xui4>
}

// -----

// What runs on the digital unit stays.
// CHECK-LABEL: func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.max_pool %x {imc.unit = #imc<unit digital>, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2>
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %0 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x2x4x4xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %0 : tensor<?x2x2x2xui2>
}
