// RUN: imc-opt %s -p imc-split-scales --split-input-file | filecheck %s

// Two filters of zeros and ones for each filter; a magnitude has a scale, whatever its sign. The bias is added last.
// CHECK-LABEL: func.func @main
// CHECK-NEXT{LITERAL}: %0 = imc.constant dense<[[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, -1, -1]]> : tensor<4x3xi8> as tensor<4x3xsi2>
// CHECK-NEXT: %1 = imc.gemm %x, %0 : (tensor<?x3xui4>, tensor<4x3xsi2>) -> tensor<?x4xsi6>
// CHECK-NEXT: %2 = imc.slice %1 {axis = 1 : i64, start = 0 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4xsi6>) -> tensor<?x2xsi6>
// CHECK-NEXT: %3 = imc.slice %1 {axis = 1 : i64, start = 1 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4xsi6>) -> tensor<?x2xsi6>
// CHECK-NEXT: %4 = imc.constant dense<[3.568550e-01, 1.465650e-01]> : tensor<2xf32> as tensor<2xf32>
// CHECK-NEXT: %5 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %6 = imc.dequantize %2, %4, %5 : (tensor<?x2xsi6>, tensor<2xf32>, tensor<ui1>) -> tensor<?x2xf32>
// CHECK-NEXT: %7 = imc.constant dense<[1.465650e-01, 3.568550e-01]> : tensor<2xf32> as tensor<2xf32>
// CHECK-NEXT: %8 = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT: %9 = imc.dequantize %3, %7, %8 : (tensor<?x2xsi6>, tensor<2xf32>, tensor<ui1>) -> tensor<?x2xf32>
// CHECK-NEXT: %10 = imc.sub %6, %9 : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: %11 = imc.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32> as tensor<2xf32>
// CHECK-NEXT: %y = imc.add %10, %11 : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK-NEXT: func.return %y : tensor<?x2xf32>
func.func @main(%x: tensor<?x3xui4>) -> tensor<?x2xf32> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %w = imc.constant dense<[[0.71371, 0.0, -0.29313], [0.29313, 0.71371, 0.71371]]> : tensor<2x3xf32> as tensor<2x3xf32>
  %b = imc.constant dense<[0.5, 0.25]> : tensor<2xf32> as tensor<2xf32>
  %d = imc.dequantize %x, %s, %z : (tensor<?x3xui4>, tensor<f32>, tensor<ui1>) -> tensor<?x3xf32>
  %y = imc.gemm %d, %w bias %b : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// -----

// Three magnitudes are no two sums.
// CHECK-LABEL: func.func @three_magnitudes
// CHECK-NEXT: %s = imc.constant dense<5.000000e-01> : tensor<f32> as tensor<f32>
// CHECK-NEXT: %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT{LITERAL}: %w = imc.constant dense<[[7.137100e-01, 1.300000e-01, -2.931300e-01]]> : tensor<1x3xf32> as tensor<1x3xf32>
// CHECK-NEXT: %d = imc.dequantize %x, %s, %z : (tensor<?x3xui4>, tensor<f32>, tensor<ui1>) -> tensor<?x3xf32>
// CHECK-NEXT: %y = imc.gemm %d, %w : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %y : tensor<?x1xf32>
func.func @three_magnitudes(%x: tensor<?x3xui4>) -> tensor<?x1xf32> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %w = imc.constant dense<[[0.71371, 0.13, -0.29313]]> : tensor<1x3xf32> as tensor<1x3xf32>
  %d = imc.dequantize %x, %s, %z : (tensor<?x3xui4>, tensor<f32>, tensor<ui1>) -> tensor<?x3xf32>
  %y = imc.gemm %d, %w : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// What is not quantised stays in floating point.
// CHECK-LABEL: func.func @not_quantised
// CHECK-NEXT{LITERAL}: %w = imc.constant dense<[[7.137100e-01, 0.000000e+00, -2.931300e-01]]> : tensor<1x3xf32> as tensor<1x3xf32>
// CHECK-NEXT: %y = imc.gemm %x, %w : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %y : tensor<?x1xf32>
func.func @not_quantised(%x: tensor<?x3xf32>) -> tensor<?x1xf32> {
  %w = imc.constant dense<[[0.71371, 0.0, -0.29313]]> : tensor<1x3xf32> as tensor<1x3xf32>
  %y = imc.gemm %x, %w : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// 3 : 2 are small integers: imc-lift-scales takes them.
// CHECK-LABEL: func.func @small_integers
// CHECK-NEXT: %s = imc.constant dense<5.000000e-01> : tensor<f32> as tensor<f32>
// CHECK-NEXT: %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
// CHECK-NEXT{LITERAL}: %w = imc.constant dense<[[7.500000e-01, 0.000000e+00, -5.000000e-01]]> : tensor<1x3xf32> as tensor<1x3xf32>
// CHECK-NEXT: %d = imc.dequantize %x, %s, %z : (tensor<?x3xui4>, tensor<f32>, tensor<ui1>) -> tensor<?x3xf32>
// CHECK-NEXT: %y = imc.gemm %d, %w : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>
// CHECK-NEXT: func.return %y : tensor<?x1xf32>
func.func @small_integers(%x: tensor<?x3xui4>) -> tensor<?x1xf32> {
  %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %w = imc.constant dense<[[0.75, 0.0, -0.5]]> : tensor<1x3xf32> as tensor<1x3xf32>
  %d = imc.dequantize %x, %s, %z : (tensor<?x3xui4>, tensor<f32>, tensor<ui1>) -> tensor<?x3xf32>
  %y = imc.gemm %d, %w : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}
