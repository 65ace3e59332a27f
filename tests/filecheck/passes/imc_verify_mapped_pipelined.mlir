// RUN: imc-opt %s -p 'imc-verify-mapped{target=dimc-256x256-mesh}' --split-input-file --verify-diagnostics | filecheck %s

// A pipelined module as the passes make it is accepted.
// CHECK: "channel tensor 5 from 3 to -1
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// The fabric is that of the target.
// CHECK: imc-verify-mapped: 32 sites of 16 crossbars, the fabric has 64 of 16
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 32 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// Every op is on a core.
// CHECK: imc-verify-mapped: node 'clamp' (imc.clamp) is on no core
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// An op stays with the operands that it reads.
// CHECK: imc-verify-mapped: node 'clamp' (imc.clamp) is on core 2, its operands need 1
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 1 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// A core computes the pixels of its map.
// CHECK: imc-verify-mapped: core 'pool' loops over 2 x 4 pixels, its map has 2 x 2
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x4 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// The tiles of a core are counted.
// CHECK: imc-verify-mapped: core 'second': crossbars is 2, its tiles take 1
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 2 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// Copies fit the sites of their core.
// CHECK: imc-verify-mapped: core 'first': 17 copies of 1 crossbars, its 1 sites hold 16
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 17 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// Sites exist.
// CHECK: imc-verify-mapped: core 'pool': site 64 does not exist, there are 64
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 64 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// No site belongs to two cores.
// CHECK: imc-verify-mapped: core 'pool': site 0 is taken by core 'first'
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 0 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// Tiles are on the sites of their core.
// CHECK: imc-verify-mapped: node 'second' (imc.crossbar_linear): tile 0 is on macro 32, at none of its core's sites
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 3 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// Every tensor that another core reads is routed, with the window of the op.
// CHECK: imc-verify-mapped: node 'pool' (imc.max_pool) reads tensor 2 on core 2, no channel brings it there with that window
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// No channel is left over.
// CHECK: imc-verify-mapped: the channels are not those that the layers need, by consumer
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// Results reach the host.
// CHECK: imc-verify-mapped: tensor 5 never reaches the host
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 4 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// A ring holds its window.
// CHECK: imc-verify-mapped: core 'first': a ring of 10 slots for tensor 0, its window needs 11
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 10 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}

// -----

// The predicted ticks are those of the replay.
// CHECK: imc-verify-mapped: a stream of 16 images takes 134 ticks and the first 14, predicted are 134 and 13
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 13 total 134",
    "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
    "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
    "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
  func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
    %w0 = imc.constant dense<[[[[1, -1, 0], [1, 1, 0], [1, -1, 1]]]]> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
    %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
    %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {imc.copies = 2 : i64, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
    %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
    %2 = imc.max_pool %1 {imc.copies = 1 : i64, kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
    %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {imc.copies = 1 : i64, tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
    %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
    func.return %4 : tensor<?x2x2x2xui4>
  }
}
