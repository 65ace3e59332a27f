// RUN: imc-opt %s -p 'imc-assign-units{target=dimc-256x64}' | filecheck %s

// Eight-bit activations fit the macros; nine bits, and anything but linear layers, run on the digital unit.
// CHECK: imc.gemm %x, %w {imc.unit = #imc<unit crossbar>}
// CHECK-NEXT: imc.gemm %z, %w {imc.unit = #imc<unit digital>}
// CHECK-NEXT: imc.add %{{.*}} {imc.unit = #imc<unit digital>}
func.func @main(%x: tensor<?x3xui8> {imc.name = "x"}, %z: tensor<?x3xsi9> {imc.name = "z"}) -> (tensor<?x2xsi16> {imc.name = "y"}) {
  %w = imc.constant dense<[[1, -1, 3], [0, 2, -3]]> : tensor<2x3xi8> as tensor<2x3xsi3>
  %0 = imc.gemm %x, %w : (tensor<?x3xui8>, tensor<2x3xsi3>) -> tensor<?x2xsi14>
  %1 = imc.gemm %z, %w : (tensor<?x3xsi9>, tensor<2x3xsi3>) -> tensor<?x2xsi14>
  %2 = imc.add %0, %1 : (tensor<?x2xsi14>, tensor<?x2xsi14>) -> tensor<?x2xsi16>
  func.return %2 : tensor<?x2xsi16>
}
