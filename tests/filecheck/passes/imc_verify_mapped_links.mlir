// RUN: imc-opt %s -p 'imc-verify-mapped{target="%S/Inputs/narrow_fabric.yaml"}' --split-input-file --verify-diagnostics | filecheck %s
// RUN: not imc-opt %s -p 'imc-verify-mapped{target=dimc-iccad23-32}' --split-input-file 2>&1 | filecheck %s --check-prefix=TARGET
// TARGET: imc-verify-mapped: the module is pipelined, but the target has no fabric

// A ring of four sites with links of two bits per step: results of four bits take two ticks, and two more for the way.
// Rings fit the memory of their site.
// CHECK: imc-verify-mapped: core 'first': buffers of 48 bits, its 1 sites have 40
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 4 crossbars_per_site 16 order rows images 16 latency 30 total 270",
    "core crossbars 0 copies 1 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 2 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 2 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 9 size 2x2 strides 2x2 pads 0x0 link 2 by pixels",
    "channel tensor 3 from 2 to 3 slots 2 size 1x1 strides 1x1 pads 0x0 link 2 by pixels",
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

// A channel takes the time of its way.
// CHECK: imc-verify-mapped: channel 1: arrives after 1 ticks, its way takes 2
builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 4 crossbars_per_site 16 order rows images 16 latency 30 total 270",
    "core crossbars 0 copies 1 ticks 1 map 4x4 sends 0 name input",
    "core sites 0 crossbars 1 copies 2 ticks 2 map 4x4 receives 0 steps 0 1 sends 1 name first",
    "core sites 1 crossbars 0 copies 1 ticks 2 map 2x2 receives 1 steps 2 sends 2 name pool",
    "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
    "channel tensor 0 from 0 to 1 slots 11 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
    "channel tensor 2 from 1 to 2 slots 9 size 2x2 strides 2x2 pads 0x0 link 1 by pixels",
    "channel tensor 3 from 2 to 3 slots 2 size 1x1 strides 1x1 pads 0x0 link 2 by pixels",
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
