// RUN: imc-opt %s -p imc-factor-weights --split-input-file | filecheck %s
// RUN: imc-opt %s -p 'imc-factor-weights{digits=3.0}' --split-input-file | filecheck %s --check-prefix=MANY
// RUN: not imc-opt %s -p 'imc-factor-weights{digits=1.0}' --split-input-file 2>&1 | filecheck %s --check-prefix=ERROR

// MANY: imc.conv2d %x, %w bias %b
// MANY: imc.gemm %x, %w
// MANY: imc.gemm %x, %w
// MANY: imc.gemm %x, %w
// ERROR: imc-factor-weights: digits must be more than 1, got 1

// The sums of both filters lie side by side; the digital unit multiplies, subtracts and adds the bias.
// CHECK-LABEL: func.func @conv
// CHECK-NEXT{LITERAL}: %0 = imc.constant dense<[[[[1], [0]], [[0], [1]]], [[[0], [0]], [[1], [0]]], [[[0], [0]], [[0], [1]]], [[[1], [1]], [[0], [0]]]]> : tensor<4x2x2x1xi8> as tensor<4x2x2x1xsi2>
// CHECK-NEXT: %1 = imc.conv2d %x, %0 : (tensor<?x2x4x4xui4>, tensor<4x2x2x1xsi2>) -> tensor<?x4x3x4xui5>
// CHECK-NEXT: %2 = imc.slice %1 {axis = 1 : i64, start = 0 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4x3x4xui5>) -> tensor<?x2x3x4xui5>
// CHECK-NEXT: %3 = imc.slice %1 {axis = 1 : i64, start = 1 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4x3x4xui5>) -> tensor<?x2x3x4xui5>
// CHECK-NEXT: %4 = imc.constant dense<7> : tensor<i8> as tensor<ui3>
// CHECK-NEXT: %5 = imc.mul %2, %4 : (tensor<?x2x3x4xui5>, tensor<ui3>) -> tensor<?x2x3x4xui8>
// CHECK-NEXT: %6 = imc.constant dense<5> : tensor<i8> as tensor<ui3>
// CHECK-NEXT: %7 = imc.mul %3, %6 : (tensor<?x2x3x4xui5>, tensor<ui3>) -> tensor<?x2x3x4xui8>
// CHECK-NEXT: %8 = imc.sub %5, %7 : (tensor<?x2x3x4xui8>, tensor<?x2x3x4xui8>) -> tensor<?x2x3x4xsi9>
// CHECK-NEXT{LITERAL}: %9 = imc.constant dense<[[[3]], [[-4]]]> : tensor<2x1x1xi8> as tensor<2x1x1xsi3>
// CHECK-NEXT: %y = imc.add %8, %9 : (tensor<?x2x3x4xsi9>, tensor<2x1x1xsi3>) -> tensor<?x2x3x4xsi10>
// CHECK-NEXT: func.return %y : tensor<?x2x3x4xsi10>
func.func @conv(%x: tensor<?x2x4x4xui4>) -> tensor<?x2x3x4xsi10> {
  %w = imc.constant dense<[[[[7], [0]], [[-5], [7]]], [[[-5], [-5]], [[0], [7]]]]> : tensor<2x2x2x1xi8> as tensor<2x2x2x1xsi4>
  %b = imc.constant dense<[3, -4]> : tensor<2xi8> as tensor<2xsi3>
  %y = imc.conv2d %x, %w bias %b : (tensor<?x2x4x4xui4>, tensor<2x2x2x1xsi4>, tensor<2xsi3>) -> tensor<?x2x3x4xsi10>
  func.return %y : tensor<?x2x3x4xsi10>
}

// -----

// Other magnitudes in every filter, and both signs of one magnitude.
// CHECK-LABEL: func.func @per_filter
// CHECK-NEXT{LITERAL}: %0 = imc.constant dense<[[1, 0, 0, 1], [0, 0, 1, 0], [1, 0, -1, 0], [0, -1, 0, 1]]> : tensor<4x4xi8> as tensor<4x4xsi2>
// CHECK-NEXT: %1 = imc.gemm %x, %0 : (tensor<?x4xui4>, tensor<4x4xsi2>) -> tensor<?x4xsi6>
// CHECK-NEXT: %2 = imc.slice %1 {axis = 1 : i64, start = 0 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4xsi6>) -> tensor<?x2xsi6>
// CHECK-NEXT: %3 = imc.slice %1 {axis = 1 : i64, start = 1 : i64, stop = 4 : i64, step = 2 : i64} : (tensor<?x4xsi6>) -> tensor<?x2xsi6>
// CHECK-NEXT: %4 = imc.constant dense<[3, 1]> : tensor<2xi8> as tensor<2xui2>
// CHECK-NEXT: %5 = imc.mul %2, %4 : (tensor<?x2xsi6>, tensor<2xui2>) -> tensor<?x2xsi8>
// CHECK-NEXT: %6 = imc.constant dense<[2, 3]> : tensor<2xi8> as tensor<2xui2>
// CHECK-NEXT: %7 = imc.mul %3, %6 : (tensor<?x2xsi6>, tensor<2xui2>) -> tensor<?x2xsi8>
// CHECK-NEXT: %y = imc.sub %5, %7 : (tensor<?x2xsi8>, tensor<?x2xsi8>) -> tensor<?x2xsi8>
// CHECK-NEXT: func.return %y : tensor<?x2xsi8>
func.func @per_filter(%x: tensor<?x4xui4>) -> tensor<?x2xsi8> {
  %w = imc.constant dense<[[3, 0, -2, 3], [1, 3, -1, -3]]> : tensor<2x4xi8> as tensor<2x4xsi3>
  %y = imc.gemm %x, %w : (tensor<?x4xui4>, tensor<2x4xsi3>) -> tensor<?x2xsi8>
  func.return %y : tensor<?x2xsi8>
}

// -----

// Weights of one signed digit each cost one addition as they are.
// CHECK-LABEL: func.func @one_digit
// CHECK-NEXT{LITERAL}: %w = imc.constant dense<[[2, 0, -1, 2]]> : tensor<1x4xi8> as tensor<1x4xsi3>
// CHECK-NEXT: %y = imc.gemm %x, %w : (tensor<?x4xui4>, tensor<1x4xsi3>) -> tensor<?x1xsi8>
// CHECK-NEXT: func.return %y : tensor<?x1xsi8>
func.func @one_digit(%x: tensor<?x4xui4>) -> tensor<?x1xsi8> {
  %w = imc.constant dense<[[2, 0, -1, 2]]> : tensor<1x4xi8> as tensor<1x4xsi3>
  %y = imc.gemm %x, %w : (tensor<?x4xui4>, tensor<1x4xsi3>) -> tensor<?x1xsi8>
  func.return %y : tensor<?x1xsi8>
}

// -----

// Three magnitudes are no two sums.
// CHECK-LABEL: func.func @three_magnitudes
// CHECK-NEXT{LITERAL}: %w = imc.constant dense<[[3, 7, -5, 0]]> : tensor<1x4xi8> as tensor<1x4xsi4>
// CHECK-NEXT: %y = imc.gemm %x, %w : (tensor<?x4xui4>, tensor<1x4xsi4>) -> tensor<?x1xsi9>
// CHECK-NEXT: func.return %y : tensor<?x1xsi9>
func.func @three_magnitudes(%x: tensor<?x4xui4>) -> tensor<?x1xsi9> {
  %w = imc.constant dense<[[3, 7, -5, 0]]> : tensor<1x4xi8> as tensor<1x4xsi4>
  %y = imc.gemm %x, %w : (tensor<?x4xui4>, tensor<1x4xsi4>) -> tensor<?x1xsi9>
  func.return %y : tensor<?x1xsi9>
}
