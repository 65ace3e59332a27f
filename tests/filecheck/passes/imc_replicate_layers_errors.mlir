// RUN: imc-opt %s -p 'imc-replicate-layers' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: imc-replicate-layers: no layer is mapped to crossbars; imc-map-crossbar maps convolutions and matrix products
func.func @main(%x: tensor<?x4xui4> {imc.name = "x"}) -> (tensor<?x4xui3> {imc.name = "y"}) {
  %0 = imc.clamp %x {low = 0 : i64, high = 7 : i64} : (tensor<?x4xui4>) -> tensor<?x4xui3>
  func.return %0 : tensor<?x4xui3>
}

// -----

// CHECK: imc-replicate-layers: a pipeline streams one input, the function has 2
func.func @main(%x: tensor<?x2xui4> {imc.name = "x"}, %y: tensor<?x2xui4> {imc.name = "z"}) -> (tensor<?x2xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, 0], [0, -1]]> : tensor<2x2xi8> as tensor<2x2xsi2>
  %0 = imc.crossbar_linear %x : tensor<?x2xui4> weights %w : tensor<2x2xsi2> {tiles = #imc.tiles<"rows 2 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2xsi6>
  func.return %0 : tensor<?x2xsi6>
}

// -----

// Blocks of channels become pixels: that needs another order than the one in which pixels arrive.
// CHECK: imc-replicate-layers: node 'shuffle' (imc.depth_to_space) cannot stream pixel by pixel, and layers come after it
func.func @main(%x: tensor<?x1x2x2xui4> {imc.name = "x"}) -> (tensor<?x1x4x4xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1]]], [[[1]]], [[[-1]]], [[[-1]]]]> : tensor<4x1x1x1xi8> as tensor<4x1x1x1xsi2>
  %v = imc.constant dense<[[[[1]]]]> : tensor<1x1x1x1xi8> as tensor<1x1x1x1xsi2>
  %0 = imc.crossbar_linear %x : tensor<?x1x2x2xui4> weights %w : tensor<4x1x1x1xsi2> {tiles = #imc.tiles<"rows 1 columns 4 SIGNED">, weight_bits = 2 : i64} -> tensor<?x4x2x2xsi5>
  %1 = imc.depth_to_space %0 {block = 2 : i64} : (tensor<?x4x2x2xsi5>) -> tensor<?x1x4x4xsi5> loc("shuffle")
  %2 = imc.crossbar_linear %1 : tensor<?x1x4x4xsi5> weights %v : tensor<1x1x1x1xsi2> {tiles = #imc.tiles<"rows 1 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi6>
  func.return %2 : tensor<?x1x4x4xsi6>
}

// -----

// The last window begins behind the map and its padding lies right of it: no pixel tells when it may be computed.
// CHECK: imc-replicate-layers: node 'beyond' (imc.crossbar_linear) cannot stream pixel by pixel, and layers come after it
func.func @main(%x: tensor<?x1x1x4xui4> {imc.name = "x"}) -> (tensor<?x1x1x6xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, 1]]]]> : tensor<1x1x1x2xi8> as tensor<1x1x1x2xsi2>
  %0 = imc.crossbar_linear %x : tensor<?x1x1x4xui4> weights %w : tensor<1x1x1x2xsi2> {tiles = #imc.tiles<"rows 2 columns 1 SIGNED">, weight_bits = 2 : i64, kernel = array<i64: 1, 2>, pads = array<i64: 0, 0, 0, 3>} -> tensor<?x1x1x6xsi6> loc("beyond")
  func.return %0 : tensor<?x1x1x6xsi6>
}
