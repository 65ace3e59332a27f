// RUN: imc-opt %s -p 'imc-overlap-layers{target=dram-pim-hbm2},imc-verify-scheduled{target=dram-pim-hbm2}' --split-input-file --verify-diagnostics | filecheck %s

// The second layer starts after the rows that its first tile reads, while the first one goes on; the end is a proved optimum.
// CHECK: imc.schedule = {end = [[END:[0-9]+]] : i64, bound = {{[0-9]+}} : i64, sequential = {{[0-9]+}} : i64}
// CHECK: imc.conv2d
// CHECK-SAME: imc.tasks = #imc.tasks<"stop 1 cycles [[P:[0-9]+]]",
// CHECK-NEXT: "first 3 stop 4 unit 1 cycles [[P]]",
// CHECK: imc.conv2d
// CHECK-SAME: imc.tasks = #imc.tasks<"stop 1 unit 2 start {{[0-9]+}} cycles {{[0-9]+}}",
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 4 temporal bank>, imc.first_bank = 2 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// CHECK: imc-overlap-layers: node 'first' (imc.conv2d) has no nest; run imc-map-layers first
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// A nest that does not fit is refused before anything is scheduled.
// CHECK: imc-overlap-layers: node 'second' (imc.conv2d): banks 126 to 129, dram-pim-hbm2 has 128
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 4 spatial bank>, imc.first_bank = 126 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}
