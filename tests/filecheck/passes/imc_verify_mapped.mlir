// RUN: imc-opt %s -p 'imc-verify-mapped' --split-input-file --verify-diagnostics | filecheck %s

// A placed layer inside the array is accepted.
// CHECK-LABEL: func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
// CHECK-NEXT: %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1",
// CHECK-NEXT: "slice 2",
// CHECK-NEXT: "y0 += x0",
// CHECK-NEXT: "y0 -= x1",
// CHECK-NEXT: "x0 in 0 .. 3",
// CHECK-NEXT: "x1 in 0 .. 3",
// CHECK-NEXT: "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320",
// CHECK-NEXT: "load 0 r 0",
// CHECK-NEXT: "load 1 r 64",
// CHECK-NEXT: "start 0 a 0 r 128",
// CHECK-NEXT: "accumulate 1 a 64 r 128",
// CHECK-NEXT: "store 0 a 128">]} -> tensor<?x1xsi3>
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 64", "start 0 a 0 r 128", "accumulate 1 a 64 r 128", "store 0 a 128">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// Layers of the arrays must be unrolled.
// CHECK: imc-verify-mapped: node 'conv' (imc.conv2d) is not unrolled; run imc-unroll
func.func @main(%x: tensor<?x2x3x3xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xsi6> {imc.name = "y"}) {
  %w = imc.constant dense<[[[[1, -1], [0, 1]], [[1, 0], [0, 0]]], [[[1, -1], [0, 1]], [[0, 0], [0, -1]]]]> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %0 = imc.conv2d %x, %w {imc.unit = #imc<unit ap>} : (tensor<?x2x3x3xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x2x2xsi6> loc("conv")
  func.return %0 : tensor<?x2x2x2xsi6>
}

// -----

// Programs must be placed.
// CHECK: imc-verify-mapped: node 'layer' (imc.ap_linear) has no placements; run imc-allocate-tracks
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// Placements need widths.
// CHECK: imc-verify-mapped: node 'layer' (imc.ap_linear): the program has no intervals
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 64", "start 0 a 0 r 128", "accumulate 1 a 64 r 128", "store 0 a 128">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// Two words of one step lie on different tracks.
// CHECK: imc-verify-mapped: node 'layer' (imc.ap_linear): step 2 (start 0) has two words on one track, or one on the carry's
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 64", "start 0 a 0 r 4", "accumulate 1 a 64 r 4", "store 0 a 4">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// A word stays until it is read.
// CHECK: imc-verify-mapped: node 'layer' (imc.ap_linear): step 3 (accumulate 1) reads cells that do not hold the word it needs
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 64", "start 0 a 0 r 64", "accumulate 1 a 64 r 64", "store 0 a 128">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// Words stay inside the array.
// CHECK: imc-verify-mapped: node 'layer' (imc.ap_linear): step 1 (load 1) leaves the array or crosses the end of a track
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 16384", "start 0 a 0 r 128", "accumulate 1 a 16384 r 128", "store 0 a 128">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// Every output is stored.
// CHECK: imc-verify-mapped: node 'layer' (imc.ap_linear): output 0 is never stored
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "load 1 r 64", "start 0 a 0 r 128", "accumulate 1 a 64 r 128">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}

// -----

// Every value is loaded before it is used.
// CHECK: imc-verify-mapped: node 'layer' (imc.ap_linear): step 2 (accumulate 1) reads cells that do not hold the word it needs
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xsi3> {imc.name = "y"}) {
  %0 = imc.ap_linear %x : tensor<?x2xui2> {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "y0 += x0", "y0 -= x1", "x0 in 0 .. 3", "x1 in 0 .. 3", "y0 in -3 .. 3">], channel_low = array<i64: 0, 0>, channel_high = array<i64: 3, 3>, placements = [#imc.placement<"version 1 tracks 256 domains 64 carry 16320", "load 0 r 0", "start 0 a 0 r 128", "accumulate 1 a 64 r 128", "store 0 a 128">]} -> tensor<?x1xsi3> loc("layer")
  func.return %0 : tensor<?x1xsi3>
}
