// RUN: imc-opt %s -p 'imc-assign-units{separate-steps=true},imc-unroll' | filecheck %s

// The sums are stored, and the step function reads them.
// CHECK-LABEL: func.func @main
// CHECK: %[[SUM:.*]] = imc.ap_linear %x
// CHECK: imc.threshold %[[SUM]], %t {imc.unit = #imc<unit digital>, imc.separate}
func.func @main(%x: tensor<?x2xui2> {imc.name = "x"}) -> (tensor<?x1xui2> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1]]> : tensor<1x2xi8> as tensor<1x2xsi2>
  %0 = imc.gemm %x, %w : (tensor<?x2xui2>, tensor<1x2xsi2>) -> tensor<?x1xsi3> loc("gemm")
  %t = imc.constant dense<[[0, 1, 2]]> : tensor<1x3xi8> as tensor<1x3xui2>
  %1 = imc.threshold %0, %t : (tensor<?x1xsi3>, tensor<1x3xui2>) -> tensor<?x1xui2> loc("quant")
  func.return %1 : tensor<?x1xui2>
}
