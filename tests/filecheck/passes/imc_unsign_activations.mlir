// RUN: imc-opt %s -p imc-unsign-activations --split-input-file | filecheck %s

// What is 0 enters as 0: the bias takes 128 times the sum of the weights, padding moves along, and so does a pool.
// A reader that is no linear layer gets the old values back; a dequantiser gets another zero point.
// CHECK: %q = imc.threshold %s, %t : (tensor<?x1x4x4xsi16>, tensor<1x3xui4>) -> tensor<?x1x4x4xui8>
// CHECK-NEXT: %p = imc.max_pool %q {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui8>) -> tensor<?x1x2x2xui8>
// CHECK-NEXT: %0 = imc.constant dense<[-761, -519]> : tensor<2xi16> as tensor<2xsi11>
// CHECK-NEXT: %y = imc.conv2d %p, %w bias %0 {pads = array<i64: 0, 0, 1, 1>} :
// CHECK-NEXT: %1 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %d = imc.dequantize %p, %c, %1 :
// CHECK-NEXT: %2 = imc.constant dense<-128> : tensor<1x1x1x1xi8> as tensor<1x1x1x1xsi8>
// CHECK-NEXT: %3 = imc.add %q, %2 : (tensor<?x1x4x4xui8>, tensor<1x1x1x1xsi8>) -> tensor<?x1x4x4xsi8>
// CHECK-NEXT: func.return %y, %d, %3
func.func @main(%s: tensor<?x1x4x4xsi16> {imc.name = "x"}) -> (tensor<?x2x2x2xsi16> {imc.name = "y"}, tensor<?x1x2x2xf32> {imc.name = "z"}, tensor<?x1x4x4xsi8> {imc.name = "q"}) {
  %t = imc.constant dense<[[0, 5, 9]]> : tensor<1x3xi8> as tensor<1x3xui4>
  %w = imc.constant dense<[[[[1, -2], [3, 4]]], [[[1, 1], [1, 1]]]]> : tensor<2x1x2x2xi8> as tensor<2x1x2x2xsi8>
  %b = imc.constant dense<[7, -7]> : tensor<2xi8> as tensor<2xsi8>
  %c = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<-128> : tensor<i8> as tensor<si8>
  %q = imc.threshold %s, %t {low = -128 : i64} : (tensor<?x1x4x4xsi16>, tensor<1x3xui4>) -> tensor<?x1x4x4xsi8>
  %p = imc.max_pool %q {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x2x2xsi8>
  %y = imc.conv2d %p, %w bias %b {pads = array<i64: 0, 0, 1, 1>, pad_value = -128 : i64} : (tensor<?x1x2x2xsi8>, tensor<2x1x2x2xsi8>, tensor<2xsi8>) -> tensor<?x2x2x2xsi16>
  %d = imc.dequantize %p, %c, %z : (tensor<?x1x2x2xsi8>, tensor<f32>, tensor<si8>) -> tensor<?x1x2x2xf32>
  func.return %y, %d, %q : tensor<?x2x2x2xsi16>, tensor<?x1x2x2xf32>, tensor<?x1x4x4xsi8>
}

// -----

// A quantiser moves its range and its zero point.
// CHECK: %0 = imc.constant dense<11> : tensor<i8> as tensor<ui4>
// CHECK-NEXT: %q = imc.quantize %x, %c, %0 {low = 0 : i64, high = 15 : i64} : {{.*}} -> tensor<?x2xui4>
// CHECK-NEXT: %1 = imc.constant dense<8> : tensor<1xi8> as tensor<1xui4>
// CHECK-NEXT: %y = imc.gemm %q, %w bias %1 :
func.func @main(%x: tensor<?x2xf32> {imc.name = "x"}) -> (tensor<?x1xsi10> {imc.name = "y"}) {
  %c = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<3> : tensor<i8> as tensor<ui2>
  %w = imc.constant dense<[[1, -2]]> : tensor<1x2xi8> as tensor<1x2xsi2>
  %q = imc.quantize %x, %c, %z {low = -8 : i64, high = 7 : i64} : (tensor<?x2xf32>, tensor<f32>, tensor<ui2>) -> tensor<?x2xsi4>
  %y = imc.gemm %q, %w : (tensor<?x2xsi4>, tensor<1x2xsi2>) -> tensor<?x1xsi10>
  func.return %y : tensor<?x1xsi10>
}

// -----

// The network's input stays as it is, and so does a tensor that no linear layer reads.
// CHECK: %s = imc.gemm %x, %w : (tensor<?x2xsi4>, tensor<1x2xsi2>) -> tensor<?x1xsi10>
// CHECK-NEXT: %y = imc.threshold %s, %t {low = -4 : i64} : (tensor<?x1xsi10>, tensor<1x3xui4>) -> tensor<?x1xsi4>
func.func @main(%x: tensor<?x2xsi4> {imc.name = "x"}) -> (tensor<?x1xsi4> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1]]> : tensor<1x2xi8> as tensor<1x2xsi2>
  %t = imc.constant dense<[[0, 5, 9]]> : tensor<1x3xi8> as tensor<1x3xui4>
  %s = imc.gemm %x, %w : (tensor<?x2xsi4>, tensor<1x2xsi2>) -> tensor<?x1xsi10>
  %y = imc.threshold %s, %t {low = -4 : i64} : (tensor<?x1xsi10>, tensor<1x3xui4>) -> tensor<?x1xsi4>
  func.return %y : tensor<?x1xsi4>
}
