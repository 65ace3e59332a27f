// RUN: imc-opt %s -p 'imc-assign-units{target=dimc-256x64},imc-map-crossbar{target=dimc-256x64},imc-emit-program{target=dimc-256x64},imc-map-layers{target=dimc-256x64 digital-operations-per-cycle=1},imc-overlap-layers{target=dimc-256x64 digital-operations-per-cycle=1},imc-verify-scheduled{target=dimc-256x64},imc-verify-program' | filecheck %s

// Rows of the pooling follow rows of the convolution: the third row of sums is computed beside the first row of maxima.
// CHECK: imc.schedule = {end = 38 : i64, bound = {{[0-9]+}} : i64, sequential = {{[0-9]+}} : i64, arrays = 0 : i64, digital_operations_per_cycle = 1 : i64}
// CHECK: imc.crossbar_kernel
// CHECK-SAME: imc.nest = #imc.nest<P 2 temporal macro>, imc.tasks = #imc.tasks<"stop 6 cycles 6",
// CHECK-NEXT: "first 6 stop 9 start 6 cycles 3">
// CHECK: imc.max_pool
// CHECK-SAME: imc.nest = #imc.nest<P 2 temporal digital>, imc.tasks = #imc.tasks<"stop 2 start 6 cycles 16",
// CHECK-NEXT: "first 2 stop 4 start 22 cycles 16">
func.func @main(%x: tensor<?x2x4x4xui2> {imc.name = "x"}) -> (tensor<?x2x2x2xui2> {imc.name = "y"}) {
  %w = imc.constant dense<1> : tensor<2x2x2x2xi8> as tensor<2x2x2x2xsi2>
  %t = imc.constant dense<[[1, 2, 4], [-1, 0, 2]]> : tensor<2x3xi8> as tensor<2x3xsi4>
  %0 = imc.conv2d %x, %w : (tensor<?x2x4x4xui2>, tensor<2x2x2x2xsi2>) -> tensor<?x2x3x3xsi6> loc("conv")
  %1 = imc.threshold %0, %t : (tensor<?x2x3x3xsi6>, tensor<2x3xsi4>) -> tensor<?x2x3x3xui2> loc("quant")
  %2 = imc.max_pool %1 {kernel = array<i64: 2, 2>} : (tensor<?x2x3x3xui2>) -> tensor<?x2x2x2xui2> loc("pool")
  func.return %2 : tensor<?x2x2x2xui2>
}
