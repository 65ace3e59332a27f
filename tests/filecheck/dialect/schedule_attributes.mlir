// RUN: IMC_ROUNDTRIP

// CHECK: imc.nest = #imc.nest<K 4 spatial bank, P 30 temporal bank>, imc.tasks = #imc.tasks<"stop 1 unit 3 start 96 cycles 1200",
// CHECK-NEXT: "first 1 stop 2">
func.func @main(%x: tensor<?x4xsi8>) {
  %0 = imc.relu %x {imc.nest = #imc.nest<K 4 spatial bank, P 30 temporal bank>, imc.tasks = #imc.tasks<"stop 1 unit 3 start 96 cycles 1200", "first 1 stop 2">} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  // CHECK: imc.nest = #imc.nest<one tile>
  %1 = imc.relu %0 {imc.nest = #imc.nest<one tile>} : (tensor<?x4xsi8>) -> tensor<?x4xsi8>
  func.return
}
