// RUN: imc-opt %s -p 'imc-map-crossbar{target=dimc-256x64}' --verify-diagnostics | filecheck %s

// Weights must be constant.
// CHECK: imc-map-crossbar: node 'fc' (imc.gemm): weights and bias must be constant
func.func @main(%x: tensor<?x5xui3> {imc.name = "x"}, %w: tensor<2x5xsi3> {imc.name = "w"}) -> (tensor<?x2xsi8> {imc.name = "y"}) {
  %0 = imc.gemm %x, %w {imc.unit = #imc<unit crossbar>} : (tensor<?x5xui3>, tensor<2x5xsi3>) -> tensor<?x2xsi8> loc("fc")
  func.return %0 : tensor<?x2xsi8>
}
