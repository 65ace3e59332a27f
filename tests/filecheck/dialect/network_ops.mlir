// RUN: IMC_ROUNDTRIP

// CHECK-LABEL: func.func @constants
func.func @constants() {
  %0 = imc.constant dense<[[1, -1], [0, 1]]> : tensor<2x2xi8> as tensor<2x2xsi2>
  // CHECK-NEXT{LITERAL}: %0 = imc.constant dense<[[1, -1], [0, 1]]> : tensor<2x2xi8> as tensor<2x2xsi2>
  %1 = imc.constant dense<255> : tensor<1xi16> as tensor<1xui8>
  // CHECK-NEXT: %1 = imc.constant dense<255> : tensor<1xi16> as tensor<1xui8>
  %2 = imc.constant dense<[0.5, -1.25]> : tensor<2xf32> as tensor<2xf32>
  // CHECK-NEXT: %2 = imc.constant dense<[5.000000e-01, -1.250000e+00]> : tensor<2xf32> as tensor<2xf32>
  func.return
}

// CHECK-LABEL: func.func @convolutions
func.func @convolutions(%x: tensor<?x4x8x8xui4>, %f: tensor<?x4x8x8xf32>) {
  %w = imc.constant dense<1> : tensor<8x4x3x3xi8> as tensor<8x4x3x3xsi2>
  // CHECK-NEXT: %w = imc.constant dense<1> : tensor<8x4x3x3xi8> as tensor<8x4x3x3xsi2>
  %b = imc.constant dense<5> : tensor<8xi8> as tensor<8xsi8>
  // CHECK-NEXT: %b = imc.constant dense<5> : tensor<8xi8> as tensor<8xsi8>
  %d = imc.constant dense<1> : tensor<4x1x3x3xi8> as tensor<4x1x3x3xsi2>
  // CHECK-NEXT: %d = imc.constant dense<1> : tensor<4x1x3x3xi8> as tensor<4x1x3x3xsi2>
  %v = imc.constant dense<0.5> : tensor<2x4x1x1xf32> as tensor<2x4x1x1xf32>
  // CHECK-NEXT: %v = imc.constant dense<5.000000e-01> : tensor<2x4x1x1xf32> as tensor<2x4x1x1xf32>
  %0 = imc.conv2d %x, %w : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x6x6xsi11>
  // CHECK-NEXT: %0 = imc.conv2d %x, %w : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>) -> tensor<?x8x6x6xsi11>
  %1 = imc.conv2d %x, %w bias %b {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 1, 1>, pad_value = 3 : i64} : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>, tensor<8xsi8>) -> tensor<?x8x4x4xsi11>
  // CHECK-NEXT: %1 = imc.conv2d %x, %w bias %b {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 1, 1>, pad_value = 3 : i64} : (tensor<?x4x8x8xui4>, tensor<8x4x3x3xsi2>, tensor<8xsi8>) -> tensor<?x8x4x4xsi11>
  %2 = imc.conv2d %x, %d {groups = 4 : i64, dilations = array<i64: 2, 2>} : (tensor<?x4x8x8xui4>, tensor<4x1x3x3xsi2>) -> tensor<?x4x4x4xsi9>
  // CHECK-NEXT: %2 = imc.conv2d %x, %d {groups = 4 : i64, dilations = array<i64: 2, 2>} : (tensor<?x4x8x8xui4>, tensor<4x1x3x3xsi2>) -> tensor<?x4x4x4xsi9>
  %3 = imc.conv2d %f, %v : (tensor<?x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<?x2x8x8xf32>
  // CHECK-NEXT: %3 = imc.conv2d %f, %v : (tensor<?x4x8x8xf32>, tensor<2x4x1x1xf32>) -> tensor<?x2x8x8xf32>
  func.return
}

// CHECK-LABEL: func.func @products
func.func @products(%x: tensor<?x16xsi4>, %y: tensor<?x2x3xsi4>, %z: tensor<?x3x5xsi4>) {
  %w = imc.constant dense<1> : tensor<10x16xi8> as tensor<10x16xsi2>
  // CHECK-NEXT: %w = imc.constant dense<1> : tensor<10x16xi8> as tensor<10x16xsi2>
  %b = imc.constant dense<5> : tensor<10xi8> as tensor<10xsi8>
  // CHECK-NEXT: %b = imc.constant dense<5> : tensor<10xi8> as tensor<10xsi8>
  %0 = imc.gemm %x, %w : (tensor<?x16xsi4>, tensor<10x16xsi2>) -> tensor<?x10xsi9>
  // CHECK-NEXT: %0 = imc.gemm %x, %w : (tensor<?x16xsi4>, tensor<10x16xsi2>) -> tensor<?x10xsi9>
  %1 = imc.gemm %x, %w bias %b : (tensor<?x16xsi4>, tensor<10x16xsi2>, tensor<10xsi8>) -> tensor<?x10xsi10>
  // CHECK-NEXT: %1 = imc.gemm %x, %w bias %b : (tensor<?x16xsi4>, tensor<10x16xsi2>, tensor<10xsi8>) -> tensor<?x10xsi10>
  %2 = imc.matmul %y, %z : (tensor<?x2x3xsi4>, tensor<?x3x5xsi4>) -> tensor<?x2x5xsi9>
  // CHECK-NEXT: %2 = imc.matmul %y, %z : (tensor<?x2x3xsi4>, tensor<?x3x5xsi4>) -> tensor<?x2x5xsi9>
  func.return
}

// CHECK-LABEL: func.func @pools
func.func @pools(%x: tensor<?x4x7x7xui4>, %f: tensor<?x4x7x7xf32>) {
  %0 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x4x7x7xui4>) -> tensor<?x4x3x3xui4>
  // CHECK-NEXT: %0 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x4x7x7xui4>) -> tensor<?x4x3x3xui4>
  %1 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, ceil_mode} : (tensor<?x4x7x7xui4>) -> tensor<?x4x4x4xui4>
  // CHECK-NEXT: %1 = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, ceil_mode} : (tensor<?x4x7x7xui4>) -> tensor<?x4x4x4xui4>
  %2 = imc.sum_pool %x {kernel = array<i64: 7, 7>} : (tensor<?x4x7x7xui4>) -> tensor<?x4x1x1xui10>
  // CHECK-NEXT: %2 = imc.sum_pool %x {kernel = array<i64: 7, 7>} : (tensor<?x4x7x7xui4>) -> tensor<?x4x1x1xui10>
  %3 = imc.avg_pool %f {kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, count_include_pad} : (tensor<?x4x7x7xf32>) -> tensor<?x4x7x7xf32>
  // CHECK-NEXT: %3 = imc.avg_pool %f {kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, count_include_pad} : (tensor<?x4x7x7xf32>) -> tensor<?x4x7x7xf32>
  func.return
}

// CHECK-LABEL: func.func @batch_norm
func.func @batch_norm(%x: tensor<?x2x7x7xf32>) {
  %c = imc.constant dense<[0.5, -1.25]> : tensor<2xf32> as tensor<2xf32>
  // CHECK-NEXT: %c = imc.constant dense<[5.000000e-01, -1.250000e+00]> : tensor<2xf32> as tensor<2xf32>
  %0 = imc.batch_norm %x, %c, %c, %c, %c {epsilon = 1.000000e-03 : f32} : (tensor<?x2x7x7xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2x7x7xf32>
  // CHECK-NEXT: %0 = imc.batch_norm %x, %c, %c, %c, %c {epsilon = 1.000000e-03 : f32} : (tensor<?x2x7x7xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2x7x7xf32>
  func.return
}
