// RUN: imc-opt %s -p 'imc-replicate-layers{interval=8},imc-pipeline-layers' | filecheck %s
// RUN: imc-opt %s -p 'imc-replicate-layers{interval=8},imc-pipeline-layers{fast-axis=columns handshake=row}' | filecheck %s --check-prefix=ROWS
// RUN: imc-opt %s -p 'imc-replicate-layers{interval=8},imc-pipeline-layers{buffers=lines input-rate=1}' | filecheck %s --check-prefix=LINES
// RUN: imc-opt %s -p 'imc-replicate-layers{interval=8},imc-pipeline-layers{buffers=full}' | filecheck %s --check-prefix=FULL
// RUN: imc-opt %s -p 'imc-replicate-layers{interval=8},imc-pipeline-layers{buffer-bits=72}' | filecheck %s --check-prefix=BITS
// RUN: imc-opt %s -p 'imc-replicate-layers{interval=8},imc-pipeline-layers{handshake=image}' | filecheck %s --check-prefix=IMAGES
// RUN: not imc-opt %s -p 'imc-pipeline-layers{handshake=map}' 2>&1 | filecheck %s --check-prefix=HANDSHAKE
// RUN: not imc-opt %s -p 'imc-pipeline-layers{buffers=none}' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not imc-opt %s -p 'imc-pipeline-layers{buffer-bits=70}' 2>&1 | filecheck %s --check-prefix=SMALL
// RUN: not imc-opt %s -p 'imc-pipeline-layers{input-rate=-1}' 2>&1 | filecheck %s --check-prefix=NEGATIVE
// RUN: not imc-opt %s -p 'imc-pipeline-layers{target=dimc-256x64}' 2>&1 | filecheck %s --check-prefix=FABRIC
// UNKNOWN: imc-pipeline-layers: buffers=none is unknown; choose exact or lines or full
// HANDSHAKE: imc-pipeline-layers: handshake=map is unknown; choose pixel or row or image
// SMALL: imc-pipeline-layers: buffer-bits=70: the smallest buffers need 72 bits
// NEGATIVE: imc-pipeline-layers: input-rate=-1 is negative
// FABRIC: imc-pipeline-layers: target dimc-256x64 has no fabric, which pipelined layers need

// Three cores behind the input; the second layer moves to the crossbars of its own site.
// CHECK: builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows images 16 latency 14 total 134",
// CHECK-NEXT: "core crossbars 0 copies 2 ticks 1 map 4x4 sends 0 name input",
// CHECK-NEXT: "core sites 0 crossbars 1 copies 2 ticks 1 map 4x4 receives 0 steps 0 1 sends 1 name first",
// CHECK-NEXT: "core sites 1 crossbars 0 copies 1 ticks 1 map 2x2 receives 1 steps 2 sends 2 name pool",
// CHECK-NEXT: "core sites 2 crossbars 1 copies 1 ticks 1 map 2x2 receives 2 steps 3 4 sends 3 name second",
// CHECK-NEXT: "channel tensor 0 from 0 to 1 slots 12 size 3x3 strides 1x1 pads 1x1 link 0 by pixels",
// CHECK-NEXT: "channel tensor 2 from 1 to 2 slots 7 size 2x2 strides 2x2 pads 0x0 link 0 by pixels",
// CHECK-NEXT: "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels",
// CHECK-NEXT: "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels">} {
// CHECK: tiles = #imc.tiles<"rows 9 columns 1 SIGNED">
// CHECK: tiles = #imc.tiles<"macro 32 rows 1 columns 2 SIGNED">

// Whole columns at a time: more slots, later.
// ROWS: "sites 64 crossbars_per_site 16 order columns images 16 latency 16 total 136"
// ROWS: "channel tensor 0 from 0 to 1 slots 14 size 3x3 strides 1x1 pads 1x1 link 0 by rows"
// ROWS: "channel tensor 2 from 1 to 2 slots 10 size 2x2 strides 2x2 pads 0x0 link 0 by rows"
// ROWS: "channel tensor 3 from 2 to 3 slots 2 size 1x1 strides 1x1 pads 0x0 link 0 by rows"
// ROWS: "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"

// A whole image at each core: two maps between neighbours, and the first image takes an interval per core.
// IMAGES: "sites 64 crossbars_per_site 16 order rows images 16 latency 24 total 144"
// IMAGES: "channel tensor 0 from 0 to 1 slots 30 size 3x3 strides 1x1 pads 1x1 link 0 by images"
// IMAGES: "channel tensor 2 from 1 to 2 slots 32 size 2x2 strides 2x2 pads 0x0 link 0 by images"
// IMAGES: "channel tensor 3 from 2 to 3 slots 8 size 1x1 strides 1x1 pads 0x0 link 0 by images"
// IMAGES: "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"

// The fewest slots.
// LINES: "sites 64 crossbars_per_site 16 order rows images 16 latency 21 total 261"
// LINES: "channel tensor 0 from 0 to 1 slots 11 size 3x3 strides 1x1 pads 1x1 link 0 by pixels"
// LINES: "channel tensor 2 from 1 to 2 slots 6 size 2x2 strides 2x2 pads 0x0 link 0 by pixels"
// LINES: "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"
// LINES: "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"

// Whole maps.
// FULL: "channel tensor 0 from 0 to 1 slots 16 size 3x3 strides 1x1 pads 1x1 link 0 by pixels"
// FULL: "channel tensor 2 from 1 to 2 slots 16 size 2x2 strides 2x2 pads 0x0 link 0 by pixels"
// FULL: "channel tensor 3 from 2 to 3 slots 4 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"
// FULL: "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"

// The fastest choice that fits the memory.
// BITS: "channel tensor 0 from 0 to 1 slots 11 size 3x3 strides 1x1 pads 1x1 link 0 by pixels"
// BITS: "channel tensor 2 from 1 to 2 slots 6 size 2x2 strides 2x2 pads 0x0 link 0 by pixels"
// BITS: "channel tensor 3 from 2 to 3 slots 1 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"
// BITS: "channel tensor 5 from 3 to -1 slots 0 size 1x1 strides 1x1 pads 0x0 link 0 by pixels"
func.func @main(%x: tensor<?x1x4x4xui4> {imc.name = "x"}) -> (tensor<?x2x2x2xui4> {imc.name = "y"}) {
  %w0 = imc.constant dense<"0x01ff0001010001ff01"> : tensor<1x1x3x3xi8> as tensor<1x1x3x3xsi2>
  %w1 = imc.constant dense<[[[[1]]], [[[-1]]]]> : tensor<2x1x1x1xi8> as tensor<2x1x1x1xsi2>
  %0 = imc.crossbar_linear %x : tensor<?x1x4x4xui4> weights %w0 : tensor<1x1x3x3xsi2> {kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, tiles = #imc.tiles<"rows 9 columns 1 SIGNED">, weight_bits = 2 : i64} -> tensor<?x1x4x4xsi8> loc("first")
  %1 = imc.clamp %0 {low = 0 : i64, high = 15 : i64} : (tensor<?x1x4x4xsi8>) -> tensor<?x1x4x4xui4> loc("clamp")
  %2 = imc.max_pool %1 {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x1x4x4xui4>) -> tensor<?x1x2x2xui4> loc("pool")
  %3 = imc.crossbar_linear %2 : tensor<?x1x2x2xui4> weights %w1 : tensor<2x1x1x1xsi2> {tiles = #imc.tiles<"rows 1 columns 2 SIGNED">, weight_bits = 2 : i64} -> tensor<?x2x2x2xsi6> loc("second")
  %4 = imc.clamp %3 {low = 0 : i64, high = 15 : i64} : (tensor<?x2x2x2xsi6>) -> tensor<?x2x2x2xui4> loc("last")
  func.return %4 : tensor<?x2x2x2xui4>
}
