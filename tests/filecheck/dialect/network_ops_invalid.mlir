// RUN: IMC_DIAGNOSTICS

// CHECK: value of tensor<1xsi2> must be stored as tensor<1xi8>, got tensor<1xi16>
func.func @main() {
  %0 = imc.constant dense<[1]> : tensor<1xi16> as tensor<1xsi2>
  func.return
}

// -----

// CHECK: value of tensor<2xsi2> must be stored as tensor<2xi8>, got tensor<1xi8>
func.func @main() {
  %0 = imc.constant dense<[1]> : tensor<1xi8> as tensor<2xsi2>
  func.return
}

// -----

// CHECK: input has 2 axes, expected 4
func.func @main(%x: tensor<?x4xui4>, %w: tensor<8x4x3x3xsi2>) {
  %0 = imc.conv2d %x, %w : (tensor<?x4xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x6x6xsi11>
  func.return
}

// -----

// CHECK: weights has 2 axes, expected 4
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<8x4xsi2>) {
  %0 = imc.conv2d %x, %w : (tensor<?x4x8x8xui4>, tensor<8x4xsi2>) -> tensor<?x8x6x6xsi11>
  func.return
}

// -----

// CHECK: 1 groups do not divide 4 input channels into 3 and 8 outputs
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<8x3x3x3xsi2>) {
  %0 = imc.conv2d %x, %w : (tensor<?x4x8x8xui4>, tensor<8x3x3x3xsi2>) -> tensor<?x8x6x6xsi11>
  func.return
}

// -----

// CHECK: 2 groups do not divide 4 input channels into 2 and 9 outputs
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<9x2x3x3xsi2>) {
  %0 = imc.conv2d %x, %w {groups = 2 : i64} : (tensor<?x4x8x8xui4>, tensor<9x2x3x3xsi2>) -> tensor<?x9x6x6xsi11>
  func.return
}

// -----

// CHECK: result has shape ?x8x8x8, expected ?x8x6x6
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<8x4x3x3xsi2>) {
  %0 = imc.conv2d %x, %w : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x8x8xsi11>
  func.return
}

// -----

// CHECK: bias has shape 7, expected 8
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<8x4x3x3xsi2>, %b: tensor<7xsi8>) {
  %0 = imc.conv2d %x, %w bias %b : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>, tensor<7xsi8>) -> tensor<?x8x6x6xsi11>
  func.return
}

// -----

// CHECK: floating-point and integer tensors do not mix
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<8x4x3x3xsi2>) {
  %0 = imc.conv2d %x, %w : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x6x6xf32>
  func.return
}

// -----

// CHECK: strides [0, 1] must be 2 integers of at least 1
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<8x4x3x3xsi2>) {
  %0 = imc.conv2d %x, %w {strides = array<i64: 0, 1>} : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x6x6xsi11>
  func.return
}

// -----

// CHECK: pads [0, 1] must be 4 integers of at least 0
func.func @main(%x: tensor<?x4x8x8xui4>, %w: tensor<8x4x3x3xsi2>) {
  %0 = imc.conv2d %x, %w {pads = array<i64: 0, 1>} : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x6x6xsi11>
  func.return
}

// -----

// CHECK: a window of 3 is larger than the padded input of 2
func.func @main(%x: tensor<?x4x2x2xui4>, %w: tensor<8x4x3x3xsi2>) {
  %0 = imc.conv2d %x, %w : (tensor<?x4x2x2xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x1x1xsi11>
  func.return
}

// -----

// CHECK: input has 16 features, weights have 15
func.func @main(%x: tensor<?x16xsi4>, %w: tensor<10x15xsi2>) {
  %0 = imc.gemm %x, %w : (tensor<?x16xsi4>, tensor<10x15xsi2>) -> tensor<?x10xsi9>
  func.return
}

// -----

// CHECK: result has shape ?x9, expected ?x10
func.func @main(%x: tensor<?x16xsi4>, %w: tensor<10x16xsi2>) {
  %0 = imc.gemm %x, %w : (tensor<?x16xsi4>, tensor<10x16xsi2>) -> tensor<?x9xsi9>
  func.return
}

// -----

// CHECK: bias has shape 9, expected 10
func.func @main(%x: tensor<?x16xsi4>, %w: tensor<10x16xsi2>, %b: tensor<9xsi8>) {
  %0 = imc.gemm %x, %w bias %b : (tensor<?x16xsi4>, tensor<10x16xsi2>, tensor<9xsi8>) -> tensor<?x10xsi9>
  func.return
}

// -----

// CHECK: inner dimensions 3 and 4 differ
func.func @main(%y: tensor<?x2x3xsi4>, %z: tensor<?x4x5xsi4>) {
  %0 = imc.matmul %y, %z : (tensor<?x2x3xsi4>, tensor<?x4x5xsi4>) -> tensor<?x2x5xsi9>
  func.return
}

// -----

// CHECK: kernel [2] must be two positive sizes
func.func @main(%x: tensor<?x4x8x8xui4>) {
  %0 = imc.max_pool %x {kernel = array<i64: 2>} : (tensor<?x4x8x8xui4>) -> tensor<?x4x7x7xui4>
  func.return
}

// -----

// CHECK: result has shape ?x4x4x4, expected ?x4x3x3
func.func @main(%x: tensor<?x4x8x8xui4>) {
  %0 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 3, 3>} : (tensor<?x4x8x8xui4>) -> tensor<?x4x4x4xui4>
  func.return
}

// -----

// CHECK: a window of 9 is larger than the padded input of 8
func.func @main(%x: tensor<?x4x8x8xui4>) {
  %0 = imc.sum_pool %x {kernel = array<i64: 9, 9>} : (tensor<?x4x8x8xui4>) -> tensor<?x4x1x1xui10>
  func.return
}

// -----

// CHECK: imc.avg_pool takes f32; integers use imc.sum_pool
func.func @main(%x: tensor<?x4x8x8xui4>) {
  %0 = imc.avg_pool %x {kernel = array<i64: 8, 8>} : (tensor<?x4x8x8xui4>) -> tensor<?x4x1x1xui4>
  func.return
}

// -----

// CHECK: scale has shape 2, expected 3
func.func @main(%x: tensor<?x3x2x2xf32>, %c: tensor<2xf32>) {
  %0 = imc.batch_norm %x, %c, %c, %c, %c : (tensor<?x3x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x3x2x2xf32>
  func.return
}
