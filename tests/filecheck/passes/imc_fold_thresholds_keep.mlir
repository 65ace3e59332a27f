// RUN: imc-opt %s -p 'imc-fold-thresholds' | filecheck %s --check-prefix=JOINED
// RUN: imc-opt %s -p 'imc-fold-thresholds{keep-bits=4}' | filecheck %s --check-prefix=KEPT

// Two requantisations in a row are one step function, unless the integers between them are to be seen.
// JOINED: imc.threshold
// JOINED-NOT: imc.threshold
// KEPT: %[[FIRST:.*]] = imc.threshold %x, {{.*}} -> tensor<?x1xui4>
// KEPT: imc.threshold %[[FIRST]], {{.*}} -> tensor<?x1xui2>
func.func @main(%x: tensor<?x1xui8> {imc.name = "x"}) -> (tensor<?x1xui2> {imc.name = "y"}) {
  %one = imc.constant dense<1> : tensor<i8> as tensor<ui1>
  %none = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %d = imc.constant dense<16> : tensor<i8> as tensor<ui5>
  %e = imc.constant dense<4> : tensor<i8> as tensor<ui3>
  %0 = imc.requantize %x, %one, %none, %d : (tensor<?x1xui8>, tensor<ui1>, tensor<ui1>, tensor<ui5>) -> tensor<?x1xui4>
  %1 = imc.requantize %0, %one, %none, %e : (tensor<?x1xui4>, tensor<ui1>, tensor<ui1>, tensor<ui3>) -> tensor<?x1xui2>
  func.return %1 : tensor<?x1xui2>
}
