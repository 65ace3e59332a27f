// RUN: imc-opt %s -p 'imc-verify-scheduled{target=dram-pim-hbm2}' --split-input-file --verify-diagnostics | filecheck %s

// Nests that fit are accepted.
// CHECK: imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 4 temporal bank>, imc.first_bank = 2 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// Every layer has one.
// CHECK: imc-verify-scheduled: node 'second' (imc.conv2d) has no nest; run imc-map-layers first
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// Factorisation: no tile lies beyond the layer.
// CHECK: imc-verify-scheduled: node 'second' (imc.conv2d): layer second: the last iteration of loop P5 in 'P5' lies beyond the 4 elements of P
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 5 temporal bank>, imc.first_bank = 2 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// The level must be one that the target has.
// CHECK: imc-verify-scheduled: node 'first' (imc.conv2d): loop P3 is of level core, the target has banks
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal core>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 4 temporal bank>, imc.first_bank = 2 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// Capacity: banks exist.
// CHECK: imc-verify-scheduled: node 'second' (imc.conv2d): banks 126 to 129, dram-pim-hbm2 has 128
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 4 spatial bank>, imc.first_bank = 126 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// Capacity: no bank holds two layers.
// CHECK: imc-verify-scheduled: node 'second' (imc.conv2d): a bank from 1 on holds another layer
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 4 temporal bank>, imc.first_bank = 1 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// Reduction: sums of several banks are added up, which takes time that the nest gives by itself.
// CHECK: imc.nest = #imc.nest<C 2 spatial bank, P 4 temporal bank>
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<C 2 spatial bank, P 4 temporal bank>, imc.first_bank = 2 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// Tasks go with the nest.
// CHECK: imc-verify-scheduled: node 'first' (imc.conv2d): a tile of its nest takes {{[0-9]+}} ticks
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x4x4x4xsi32> {imc.name = "y"}) {
  %w0 = imc.constant dense<1> : tensor<4x3x3x3xi8> as tensor<4x3x3x3xsi8>
  %w1 = imc.constant dense<1> : tensor<4x4x3x3xi8> as tensor<4x4x3x3xsi8>
  %0 = imc.conv2d %x, %w0 {imc.nest = #imc.nest<P 2 spatial bank, P 3 temporal bank>, imc.first_bank = 0 : i64, imc.tasks = #imc.tasks<"stop 1 cycles 5">} : (tensor<?x3x8x8xsi8>, tensor<4x3x3x3xsi8>) -> tensor<?x4x6x6xsi32> loc("first")
  %1 = imc.conv2d %0, %w1 {imc.nest = #imc.nest<P 4 temporal bank>, imc.first_bank = 2 : i64} : (tensor<?x4x6x6xsi32>, tensor<4x4x3x3xsi8>) -> tensor<?x4x4x4xsi32> loc("second")
  func.return %1 : tensor<?x4x4x4xsi32>
}

// -----

// Capacity: a bank has rows for a tile beside the weights that it keeps.
// CHECK: imc-verify-scheduled: node 'wide' (imc.gemm): layer wide: 8192 weight tiles of 1 outputs x 65536 products do not fit into a bank of dram-pim-hbm2
func.func @main(%x: tensor<?x65536xsi8> {imc.name = "x"}, %w: tensor<8192x65536xsi8> {imc.name = "w"}) -> (tensor<?x8192xsi32> {imc.name = "y"}) {
  %0 = imc.gemm %x, %w {imc.nest = #imc.nest<K 8192 temporal bank>} : (tensor<?x65536xsi8>, tensor<8192x65536xsi8>) -> tensor<?x8192xsi32> loc("wide")
  func.return %0 : tensor<?x8192xsi32>
}
