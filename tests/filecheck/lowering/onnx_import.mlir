// RUN: imc-opt %S/Inputs/ternary_block.onnxtxt --print-debuginfo | filecheck %s --check-prefix=BLOCK
// RUN: imc-opt %S/Inputs/integer_chain.onnxtxt --print-debuginfo | filecheck %s --check-prefix=CHAIN
// RUN: not imc-opt %S/Inputs/batch_mixed.onnxtxt 2>&1 | filecheck %s --check-prefix=MIXED

// The weights keep their integers and their scale; every op carries the name of its node.
// BLOCK: builtin.module @{{.+}} attributes {imc.level = "network", imc.source = "{{[0-9a-f]+}}"}
// BLOCK: func.func @main(%{{.*}}: tensor<?x1x4x4xf32> {imc.name = "image", imc.dtype = "float32"}
// BLOCK-SAME: -> (tensor<?x8xf32> {imc.name = "features", imc.dtype = "float32"})
// BLOCK: imc.constant dense<{{.*}}> : tensor<2x1x3x3xi8> as tensor<2x1x3x3xsi2>
// BLOCK: imc.dequantize %{{.*}} : (tensor<2x1x3x3xsi2>, tensor<f32>, tensor<ui1>) -> tensor<2x1x3x3xf32>
// BLOCK: imc.conv2d %{{.*}} {strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 1, 1>} : (tensor<?x1x4x4xf32>, tensor<2x1x3x3xf32>) -> tensor<?x2x2x2xf32> loc("conv")
// BLOCK: imc.batch_norm %{{.*}} -> tensor<?x2x2x2xf32> loc("norm")
// BLOCK: imc.quantize %{{.*}} {low = 0 : i64, high = 3 : i64, mode = #imc<rounding floor>, zero_point_inside} : {{.*}} -> tensor<?x2x2x2xui2> loc("act")
// BLOCK: imc.dequantize %{{.*}} : (tensor<?x2x2x2xui2>, tensor<f32>, tensor<ui1>) -> tensor<?x2x2x2xf32> loc("act")
// BLOCK: imc.reshape %{{.*}} : (tensor<?x2x2x2xf32>) -> tensor<?x8xf32> loc("flat")

// Integers stored in float32 are one exact requantisation.
// CHAIN: %[[SUM:.*]] = imc.gemm %{{.*}} : (tensor<?x3xui8>, tensor<2x3xsi4>) -> tensor<?x2xsi13> loc("linear")
// CHAIN-NOT: f32
// CHAIN: imc.requantize %[[SUM]], %{{.*}} {low = 0 : i64, high = 15 : i64} : (tensor<?x2xsi13>, tensor<2xsi10>, tensor<2xui10>, tensor<ui11>) -> tensor<?x2xui4> loc(fused["kappa", "lambda", "shift", "floor", "clip"])

// MIXED: imc-opt: error: node 'halve' (Reshape): a reshape to [-1, 3] would mix the batch (axis 0) with other axes
