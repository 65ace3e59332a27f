// RUN: IMC_DIAGNOSTICS

// CHECK: takes one input, got 2
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>) {
  %0 = imc.crossbar_linear %x, %x : tensor<?x5xui3>, tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"rows 5 columns 2">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: 2 groups do not divide 5 and 2 channels
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"rows 5 columns 2 SIGNED">, weight_bits = 8 : i64, groups = 2 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: weights [2, 4] are not 2 x 5
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x4xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x4xsi9> {tiles = #imc.tiles<"rows 5 columns 2">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: bias has shape 3, expected 2
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>, %b: tensor<3xsi4>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> bias %b : tensor<3xsi4> {tiles = #imc.tiles<"rows 5 columns 2 SIGNED">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: thresholds have 3 rows for 2 channels
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>, %t: tensor<3x1xsi4>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> thresholds %t : tensor<3x1xsi4> {tiles = #imc.tiles<"rows 5 columns 2 SIGNED">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: tile 1 lies outside the 5 x 2 matrix
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"rows 5 columns 2", "rows 5 columns 2 element 1">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: imc.tiles: line 'rows 5 columns': fields and values do not pair up
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"rows 5 columns">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: imc.tiles: line 'height 5': unknown field height
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"height 5">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: imc.tiles: line 'rows five': rows five is out of range
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"rows five">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: imc.tiles: 2 bytes are no whole number of 48-byte tiles
func.func @main(%x: tensor<?x5xui3>, %w: tensor<2x5xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5xui3> weights %w : tensor<2x5xsi9> {tiles = #imc.tiles<"0x0102">, weight_bits = 8 : i64} -> tensor<?x2xsi16>
  func.return
}

// -----

// CHECK: imc.tile_instructions: line 'JUMP macro 1': unknown opcode JUMP
func.func @main(%x: tensor<?x2xui3>) {
  %0 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"JUMP macro 1">, tile_weights = dense<[1]> : tensor<1xi8>, bias = array<i64: 3>, weight_bits = 2 : i64} : (tensor<?x2xui3>) -> tensor<?x1xsi8>
  func.return
}

// -----

// CHECK: imc.tile_instructions: 1 bytes are no whole number of 48-byte instructions
func.func @main(%x: tensor<?x2xui3>) {
  %0 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"0x01">, tile_weights = dense<[1]> : tensor<1xi8>, bias = array<i64: 3>, weight_bits = 2 : i64} : (tensor<?x2xui3>) -> tensor<?x1xsi8>
  func.return
}

// -----

// CHECK: bias has 2 entries for 1 channels
func.func @main(%x: tensor<?x2xui3>) {
  %0 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"STORE columns 1">, tile_weights = dense<[1]> : tensor<1xi8>, bias = array<i64: 3, 4>, weight_bits = 2 : i64} : (tensor<?x2xui3>) -> tensor<?x1xsi8>
  func.return
}

// -----

// CHECK: step_thresholds, step_low and step_descending come together
func.func @main(%x: tensor<?x2xui3>) {
  %0 = imc.crossbar_kernel %x {instructions = #imc.tile_instructions<"STORE columns 1">, tile_weights = dense<[1]> : tensor<1xi8>, bias = array<i64: 3>, weight_bits = 2 : i64, step_low = array<i64: 0>} : (tensor<?x2xui3>) -> tensor<?x1xsi8>
  func.return
}

// -----

// CHECK: takes one input, got 2
func.func @main(%x: tensor<?x2xui3>) {
  %0 = imc.crossbar_kernel %x, %x {instructions = #imc.tile_instructions<"STORE columns 1">, tile_weights = dense<[1]> : tensor<1xi8>, bias = array<i64: 3>, weight_bits = 2 : i64} : (tensor<?x2xui3>, tensor<?x2xui3>) -> tensor<?x1xsi8>
  func.return
}

// -----

// CHECK: tile 0: lane 9 and 8 lanes, an image has 16
func.func @main(%x: tensor<?x5x4x4xui3>, %w: tensor<2x5x1x1xsi9>) {
  %0 = imc.crossbar_linear %x : tensor<?x5x4x4xui3> weights %w : tensor<2x5x1x1xsi9> {tiles = #imc.tiles<"rows 5 columns 2 lane 9 lanes 8">, weight_bits = 8 : i64, kernel = array<i64: 1, 1>} -> tensor<?x2x4x4xsi16>
  func.return
}
