// RUN: imc-opt %s -p 'imc-map-layers{target=dram-pim-hbm2}' --split-input-file --verify-diagnostics | filecheck %s

// Banks are shared out by work; every layer gets a nest on banks of its own.
// CHECK-LABEL: func.func @chain
// CHECK: imc.conv2d
// CHECK-SAME: imc.nest = #imc.nest<{{.*}} bank>, imc.first_bank = 0 : i64
// CHECK-NEXT: imc.conv2d
// CHECK-SAME: imc.nest = #imc.nest<{{.*}} bank>, imc.first_bank = {{[1-9][0-9]*}} : i64
func.func @chain(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// CHECK: imc-map-layers: the module holds no convolution and no matrix product to map
func.func @nothing(%x: tensor<?x3xsi8> {imc.name = "x"}) -> (tensor<?x3xsi8> {imc.name = "y"}) {
  %0 = imc.relu %x : (tensor<?x3xsi8>) -> tensor<?x3xsi8>
  func.return %0 : tensor<?x3xsi8>
}
