// RUN: imc-opt %s -p 'imc-map-layers{target=rtm-ap-256 strategy=layerwise}' --split-input-file --verify-diagnostics | filecheck %s

// CHECK: imc-map-layers: the module names no target; run imc-emit-program first
func.func @main(%x: tensor<?x4xui2> {imc.name = "x"}) -> (tensor<?x4xui2> {imc.name = "y"}) {
  %0 = imc.relu %x : (tensor<?x4xui2>) -> tensor<?x4xui2>
  func.return %0 : tensor<?x4xui2>
}
