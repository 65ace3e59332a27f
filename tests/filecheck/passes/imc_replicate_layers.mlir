// RUN: imc-opt %s -p 'imc-replicate-layers' | filecheck %s
// RUN: imc-opt %s -p 'imc-replicate-layers{crossbars=4}' | filecheck %s --check-prefix=BUDGET
// RUN: imc-opt %s -p 'imc-replicate-layers{interval=8}' | filecheck %s --check-prefix=INTERVAL
// RUN: not imc-opt %s -p 'imc-replicate-layers{crossbars=1}' 2>&1 | filecheck %s --check-prefix=FEW
// RUN: not imc-opt %s -p 'imc-replicate-layers{crossbars=4 interval=2}' 2>&1 | filecheck %s --check-prefix=SHORT
// RUN: not imc-opt %s -p 'imc-replicate-layers{crossbars=2000}' 2>&1 | filecheck %s --check-prefix=MANY
// RUN: not imc-opt %s -p 'imc-replicate-layers{target=dimc-256x64}' 2>&1 | filecheck %s --check-prefix=FABRIC
// FEW: imc-replicate-layers: one copy of each layer does not fit: 2 crossbars needed, 1 are there
// SHORT: imc-replicate-layers: an interval of 2 does not fit: 10 crossbars needed, 4 are there
// MANY: imc-replicate-layers: crossbars=2000 interval=0: needs 0 to 1024, and 0 or more
// FABRIC: imc-replicate-layers: target dimc-256x64 has no fabric, which pipelined layers need

// With all crossbars of the target, every pixel of a layer has a copy of its own.
// CHECK: %0 = imc.crossbar_linear %x : {{.*}}imc.copies = 16 : i64
// CHECK: %2 = imc.max_pool %1 {imc.copies = 4 : i64
// CHECK: %3 = imc.crossbar_linear %2 : {{.*}}imc.copies = 4 : i64

// Four crossbars: three copies of the first layer finish 16 pixels in 6 steps.
// BUDGET: %0 = imc.crossbar_linear %x : {{.*}}imc.copies = 3 : i64
// BUDGET: %2 = imc.max_pool %1 {imc.copies = 1 : i64
// BUDGET: %3 = imc.crossbar_linear %2 : {{.*}}imc.copies = 1 : i64

// INTERVAL: %0 = imc.crossbar_linear %x : {{.*}}imc.copies = 2 : i64
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
